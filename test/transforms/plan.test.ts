import { describe, expect, test } from 'vitest';
import { parseModel } from '../../transforms/model.ts';
import { decideAction, type Gain, type InputState, type ModelState } from '../../transforms/plan.ts';

const modelOf = (kind: string) =>
  parseModel(
    'm.sql',
    `-- name: a.m\n-- description: d\n-- grain: id\n-- owner: o\n-- kind: ${kind}\nselect 1 as id`,
  );

const input = (table: string, gain: Gain, from: number | undefined = 1): InputState => ({
  table,
  from,
  to: 2,
  gain,
});

const state = (inputs: readonly InputState[], change: Partial<ModelState> = {}): ModelState => ({
  selected: true,
  pinnedTo: undefined,
  heldBy: undefined,
  built: true,
  inputs,
  ...change,
});

describe('what a run does with a model', () => {
  test.each([
    ['table', 'append', 'full'],
    ['table', 'rewrite', 'full'],
    ['append(b.x)', 'append', 'incremental'],
    ['append(b.x)', 'rewrite', 'full'],
    ['first(id) by (seq)', 'append', 'incremental'],
    ['first(id) by (seq)', 'rewrite', 'full'],
    ['key(id)', 'append', 'incremental'],
    ['key(id)', 'rewrite', 'incremental'],
    ['partition(id)', 'rewrite', 'incremental'],
    ['key(id)', 'lost', 'full'],
    ['key(id)', 'none', 'up to date'],
  ] as const)('kind %s whose source has %s: %s', (kind, gain, expected) => {
    expect(decideAction(modelOf(kind), state([input('b.x', gain)])).kind).toBe(expected);
  });

  test('an append model does not care for rewritten rows of what it only joins', () => {
    const inputs = [input('b.x', 'none'), input('b.y', 'rewrite')];
    expect(decideAction(modelOf('append(b.x)'), state(inputs)).kind).toBe('incremental');
  });

  test('a definition that has not been computed yet is computed whole', () => {
    expect(
      decideAction(modelOf('key(id)'), state([input('b.x', 'append', undefined)], { built: false })),
    ).toEqual({
      kind: 'full',
      why: 'first run of this definition',
    });
  });

  test('a source that the definition has not read yet makes it whole', () => {
    const inputs = [input('b.x', 'none'), { ...input('b.y', 'none'), from: undefined }];
    expect(decideAction(modelOf('key(id)'), state(inputs))).toEqual({
      kind: 'full',
      why: 'first run over b.y',
    });
  });

  test('a source that is not there yet is waited for', () => {
    const inputs = [{ ...input('b.x', 'none'), to: undefined }];
    expect(decideAction(modelOf('key(id)'), state(inputs))).toEqual({
      kind: 'waiting',
      why: 'no table yet: b.x',
    });
  });

  test.each([
    [{ pinnedTo: 3, selected: false }, 'pinned'],
    [{ selected: false }, 'not selected'],
    [{ selected: false, heldBy: 'b.x' }, 'held'],
    [{ heldBy: 'b.x' }, 'held'],
  ])('%j comes before all that is new: %s', (change, expected) => {
    expect(decideAction(modelOf('key(id)'), state([input('b.x', 'append')], change)).kind).toBe(expected);
  });
});
