import { expect, test } from 'vitest';
import type { AddFile, RemoveFile } from '../../lakehouse/actions.ts';
import { netGains } from '../../transforms/gains.ts';

const add = (path: string): AddFile => ({
  path,
  partitionValues: {},
  size: 1,
  modificationTime: 0,
  dataChange: true,
});
const remove = (path: string): RemoveFile => ({ path, dataChange: true });

const net = (adds: readonly string[], removes: readonly string[]) => {
  const { kind, ...files } = netGains({ adds: adds.map(add), removes: removes.map(remove) });
  return { kind, adds: files.adds.map((f) => f.path), removes: files.removes.map((f) => f.path) };
};

test.each([
  ['nothing', [], [], { kind: 'none', adds: [], removes: [] }],
  ['new files', ['a', 'b'], [], { kind: 'append', adds: ['a', 'b'], removes: [] }],
  ['a file that came and went', ['a', 'b'], ['a'], { kind: 'append', adds: ['b'], removes: [] }],
  ['a file that went', ['b'], ['old'], { kind: 'rewrite', adds: ['b'], removes: ['old'] }],
  ['a file that went and was restored', ['old'], ['old'], { kind: 'none', adds: [], removes: [] }],
  [
    'a file that came, went and was restored',
    ['a', 'a'],
    ['a'],
    { kind: 'append', adds: ['a'], removes: [] },
  ],
])('%s', (_, adds, removes, expected) => {
  expect(net(adds, removes)).toEqual(expected);
});
