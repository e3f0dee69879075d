import { expect, inject, test } from 'vitest';
import { answersMetadata } from '../../infra/stack/kafkaProbe.ts';

test('the services of the live tests answer', async () => {
  const { kafka, s3, postgresUrl } = inject('services');
  expect(await answersMetadata('127.0.0.1', Number(kafka.split(':')[1]))).toBe(true);
  expect((await fetch(`${s3.endpoint}/health`)).status).toBe(200);
  expect(postgresUrl).toMatch(/^postgres:/);
});
