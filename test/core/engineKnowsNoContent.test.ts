import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { expect, test } from 'vitest';
import { paymentContent } from '../../infra/content.ts';
import type { ContractField, FieldType } from '../../ingestion/contract.ts';
import { engineFiles, projectRoot } from '../support/sourceFiles.ts';

/** Words of the contracts that are also words of the engine's own trade. */
const SHARED_WORDS = new Set([
  'event_id',
  'timestamp',
  'key',
  'decisions',
  'labels',
  'label',
  'state',
  'source',
  'revision',
]);

/**
 * The composition of the demo is content too, but stands where processes and commands stand: it may
 * name the topics that it fills, nothing else does.
 */
const COMPOSITION = ['infra/processes/demo.ts', 'infra/cli/simulate.ts', 'infra/stack/demo.ts'];

test('no engine file holds an identifier of the contracts', () => {
  const words = identifiersOfContracts().filter((word) => !SHARED_WORDS.has(word));
  expect(words.length).toBeGreaterThan(30);
  const pattern = patternOf(words);
  const files = engineFiles().filter((path) => !COMPOSITION.includes(relative(projectRoot, path)));
  expect(files.length).toBeGreaterThan(40);
  const found = files.flatMap((path) => offendingLines(path, pattern));
  expect(found).toEqual([]);
});

test('the scan sees an identifier when there is one', () => {
  const pattern = patternOf(identifiersOfContracts());
  expect('sum(amount)').toMatch(pattern);
  expect('amounts to').not.toMatch(pattern);
});

function patternOf(words: readonly string[]): RegExp {
  return new RegExp(`(?<![\\w.])(${words.map((word) => word.replaceAll('.', '\\.')).join('|')})(?!\\w)`);
}

function identifiersOfContracts(): string[] {
  // Decisions are what the engine itself writes, about any content.
  const given = paymentContent.contracts.filter(({ answers }) => answers === undefined);
  const words = given.flatMap((contract) => [
    contract.topic,
    contract.table,
    ...contract.fields.flatMap(namesOf),
  ]);
  return [...new Set(words)].toSorted();
}

function namesOf(field: ContractField): string[] {
  return [field.name, ...namesInside(field.type)];
}

function namesInside(type: FieldType): string[] {
  if (typeof type === 'string') return [];
  if (type.type === 'record') return type.fields.flatMap(namesOf);
  return type.type === 'array' ? namesInside(type.items) : [];
}

function offendingLines(path: string, pattern: RegExp): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line, index) =>
      pattern.test(line) ? [`${relative(projectRoot, path)}:${index + 1}: ${line.trim()}`] : [],
    );
}
