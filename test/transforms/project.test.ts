import { describe, expect, test } from 'vitest';
import { paymentContent } from '../../infra/content.ts';
import {
  definitionHash,
  inputTablesOf,
  loadProject,
  selectModels,
  viewsReadBy,
  withDescendants,
} from '../../transforms/project.ts';
import { projectOf } from './support.ts';

const model = (name: string, kind: string, sql: string, extra = '') => `-- name: ${name}
-- description: d
-- grain: id
-- owner: o
-- kind: ${kind}
${extra}${sql}`;

const CHAIN = [
  model('gold.c', 'table', `select * from ref('silver.b')`),
  model('silver.v', 'view', `select id from source('bronze.x')`),
  model('silver.b', 'table', `select * from ref('silver.v')`),
  model('gold.d', 'table', `select * from source('bronze.y')`),
];

describe('a project of models', () => {
  const project = projectOf(CHAIN);
  const named = (name: string) => project.byName.get(name)!;

  test('is ordered so that each model comes after what it reads', () => {
    const names = project.models.map((m) => m.name);
    expect(names.indexOf('silver.v')).toBeLessThan(names.indexOf('silver.b'));
    expect(names.indexOf('silver.b')).toBeLessThan(names.indexOf('gold.c'));
  });

  test('knows the tables behind views', () => {
    expect(inputTablesOf(project, named('silver.b'))).toEqual(['bronze.x']);
    expect(viewsReadBy(project, named('silver.b')).map((v) => v.name)).toEqual(['silver.v']);
    expect(inputTablesOf(project, named('gold.c'))).toEqual(['silver.b']);
  });

  test.each([
    [['silver.b+'], ['gold.c', 'silver.b']],
    [['+silver.b'], ['silver.b', 'silver.v']],
    [['gold'], ['gold.c', 'gold.d']],
    [[], ['gold.c', 'gold.d', 'silver.b', 'silver.v']],
  ])('selectors %j name %j', (selectors, expected) => {
    expect([...selectModels(project, selectors)].toSorted()).toEqual(expected);
  });

  test('a selector that names nothing is an error that lists the models', () => {
    expect(() => selectModels(project, ['gold.nope'])).toThrow("no model is named by 'gold.nope'");
  });

  test('descendants go through views', () => {
    expect([...withDescendants(project, ['silver.v'])].toSorted()).toEqual([
      'gold.c',
      'silver.b',
      'silver.v',
    ]);
  });

  test('a view between a model and its tables is part of its definition, a model is not', () => {
    const changedView = projectOf(
      CHAIN.map((text) => text.replace('select id from', 'select id, 1 as one from')),
    );
    const changedModel = projectOf(
      CHAIN.map((text) => text.replace("* from ref('silver.v')", "id from ref('silver.v')")),
    );
    const hash = (p: typeof project, name: string) => definitionHash(p, p.byName.get(name)!);
    expect(hash(changedView, 'silver.b')).not.toBe(hash(project, 'silver.b'));
    expect(hash(changedModel, 'silver.b')).not.toBe(hash(project, 'silver.b'));
    expect(hash(changedModel, 'gold.c')).toBe(hash(project, 'gold.c'));
  });

  test.each([
    [
      'a cycle',
      [model('a.a', 'table', `from ref('a.b')`), model('a.b', 'table', `from ref('a.a')`)],
      'reads itself',
    ],
    ['an unknown ref', [model('a.a', 'table', `from ref('a.b')`)], 'is no model'],
    [
      'a model as a source',
      [CHAIN[3]!, model('a.a', 'table', `from source('gold.d')`)],
      "write ref('gold.d')",
    ],
    ['an unknown seed', [model('a.a', 'table', `from seed('s')`)], 'no seeds/s.csv'],
    ['a name twice', [CHAIN[3]!, CHAIN[3]!], 'is also defined'],
    [
      'a source that touches no key',
      [model('a.a', 'key(id)', `from source('b.b')`)],
      "'touched by b.b' is missing",
    ],
    [
      'a touched-by of a table that is not read',
      [model('a.a', 'table', 'select 1 as id', '-- touched by b.b: select id from changed\n')],
      "does not read the table 'b.b'",
    ],
    [
      'a predicate of reads over another model',
      [
        model(
          'a.a',
          'key(id)',
          `from source('b.b')`,
          `-- touched by b.b: select id from changed\n-- reads b.b: day in (select day from ref('gold.d'))\n`,
        ),
        CHAIN[3]!,
      ],
      "'reads b.b' reads another table",
    ],
    [
      'an unknown ref of an audit file',
      [model('a.a', 'table', 'select 1 as id', '-- audit other: set warn\n')],
      "ref('b.b') is no model",
    ],
    [
      'an unknown audit',
      [model('a.a', 'table', 'select 1 as id', '-- audit nope: set warn\n')],
      'neither generic',
    ],
    [
      'a row audit over many rows',
      [model('a.a', 'table', 'select 1 as id', '-- audit unique(id): row error\n')],
      "make it 'set'",
    ],
    [
      'an audit of a view',
      [model('a.a', 'view', 'select 1 as id', '-- audit unique(id): set error\n')],
      'no rows to audit',
    ],
  ])('%s is refused with the reason', (_, models, reason) => {
    const audits = { other: `select * from ref('b.b')` };
    expect(() => projectOf(models, { audits })).toThrow(reason);
  });
});

test('every output column of the models that ship is documented, and their grain is theirs', async () => {
  const project = await loadProject(paymentContent.transformsDir);
  expect(project.models.length).toBeGreaterThanOrEqual(8);
  for (const { name, sql, columnDocs, grain } of project.models) {
    expect(columnDocs.size, name).toBeGreaterThan(3);
    expect(sql.references.length, name).toBeGreaterThan(0);
    for (const column of grain) expect([...columnDocs.keys()], name).toContain(column);
  }
});
