import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { errorsPage } from '../../infra/cli/errorsPage.ts';
import { ERROR_CATALOG, fault, isFault } from '../../infra/core/errorCatalog.ts';
import { classifyError } from '../../infra/core/errors.ts';
import { engineFiles, projectRoot } from '../support/sourceFiles.ts';

test('a fault carries the code, the filled message, the remedy and the cause of its entry', () => {
  const cause = new Error('ECONNREFUSED');
  const error = fault('LAKE_STORE_UNAVAILABLE', { uri: 's3://b/p', detail: 'refused' }, cause);
  expect(error.message).toBe('the object store s3://b/p did not answer: refused');
  expect(error.cause).toBe(cause);
  expect(isFault(error, 'LAKE_STORE_UNAVAILABLE')).toBe(true);
  expect(isFault(error, 'CONFIG_INVALID')).toBe(false);
  expect(classifyError(error)).toMatchObject({ domain: 'external', retry: 'backoff' });
});

test('an unknown error is internal and is not retried', () => {
  expect(classifyError(new RangeError('x'))).toMatchObject({ code: 'INTERNAL', retry: 'never' });
  expect(classifyError('text')).toMatchObject({ code: 'INTERNAL', message: 'text' });
});

test('each code of the catalogue is thrown somewhere, and docs/errors.md is the catalogue', () => {
  const sources = engineFiles()
    .filter((path) => !path.endsWith('errorCatalog.ts'))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');
  const codes = Object.keys(ERROR_CATALOG);
  expect(codes.length).toBeGreaterThan(10);
  expect(codes.filter((code) => !sources.includes(`'${code}'`))).toEqual([]);

  const page = readFileSync(join(projectRoot, 'docs', 'errors.md'), 'utf8');
  expect(page, 'run `make docs`').toBe(errorsPage());
});

test('every page of docs/decisions has context, decision and consequence', () => {
  const dir = join(projectRoot, 'docs', 'decisions');
  const pages = readdirSync(dir);
  expect(pages.length).toBeGreaterThan(3);
  for (const page of pages) {
    const text = readFileSync(join(dir, page), 'utf8');
    for (const heading of ['## Context', '## Decision', '## Consequence']) {
      expect(text, `${page} ${heading}`).toContain(heading);
    }
  }
});
