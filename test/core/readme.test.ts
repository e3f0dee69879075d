import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../support/sourceFiles.ts';

const readme = readFileSync(join(projectRoot, 'README.md'), 'utf8');

test('"Follow one payment" names files and functions that exist', () => {
  const [, section = ''] = /## Follow one payment\n([\s\S]*?)\n## /.exec(readme) ?? [];
  const steps = [...section.matchAll(/`([\w/]+\.ts)` `(\w+)`/g)];
  expect(section.match(/^\d+\. /gm)).toHaveLength(16);
  expect(steps.length).toBeGreaterThanOrEqual(16);
  for (const [step, file = '', name = ''] of steps) {
    const source = readFileSync(join(projectRoot, file), 'utf8');
    expect(source, step).toMatch(new RegExp(`(function|async|^  )\\s*${name}\\(`, 'm'));
  }
});

test('every link and every test that the README names is there', () => {
  const links = [...readme.matchAll(/\]\(([\w./]+)\)/g)].map((match) => match[1] ?? '');
  const tests = [...readme.matchAll(/`(test\/[\w/.]+\.ts)`/g)].map((match) => match[1] ?? '');
  expect(links.length).toBeGreaterThan(8);
  expect(tests.length).toBeGreaterThan(2);
  expect([...links, ...tests].filter((path) => !existsSync(join(projectRoot, path)))).toEqual([]);
});
