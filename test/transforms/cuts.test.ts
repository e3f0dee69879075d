import fc from 'fast-check';
import { expect, test } from 'vitest';
import { optimizeTable } from '../../lakehouse/optimize.ts';
import { openTable } from '../../lakehouse/table.ts';
import type { Project } from '../../transforms/project.ts';
import { runModels } from '../../transforms/run.ts';
import { openTempLake } from '../support/tempLake.ts';
import { READINGS, readings, remarks, SENSOR_PROJECT } from './sensorModels.ts';
import { depsOf, hashOf, land, projectOf } from './support.ts';

/** One commit of a source: readings `[id, sensor, day, value, seq]` or remarks `[id, remark]`. */
type Commit =
  | {
      readonly table: 'bronze.readings';
      readonly rows: readonly (readonly [number, number, number, number, number])[];
    }
  | { readonly table: 'bronze.remarks'; readonly rows: readonly (readonly [number, boolean])[] };

const small = (max: number) => fc.integer({ min: 0, max });

/** Few ids and sensors, so that duplicates, moves and late remarks are common; every seq is one of its own. */
const commits: fc.Arbitrary<readonly Commit[]> = fc
  .array(
    fc.oneof(
      fc
        .array(fc.tuple(small(6), small(2), small(2), small(9), fc.integer()), { minLength: 1, maxLength: 5 })
        .map((rows): Commit => ({ table: 'bronze.readings', rows })),
      fc
        .array(fc.tuple(small(6), fc.boolean()), { minLength: 1, maxLength: 3 })
        .map((rows): Commit => ({ table: 'bronze.remarks', rows })),
    ),
    { minLength: 2, maxLength: 7 },
  )
  .map(withDistinctOrder);

/** After which commits a run comes, and whether compaction comes before it. */
const cuts = fc.array(fc.record({ run: fc.boolean(), compact: fc.boolean() }), {
  minLength: 7,
  maxLength: 7,
});

const FIRST_COMMITS: readonly Commit[] = [
  { table: 'bronze.readings', rows: [[99, 0, 0, 1, 1_000_000]] },
  { table: 'bronze.remarks', rows: [[98, false]] },
];

test('any split of the source commits into runs gives the same tables', async () => {
  const project = projectOf(SENSOR_PROJECT);
  await fc.assert(
    fc.asyncProperty(commits, cuts, async (sources, cut) => {
      expect(await tablesAfter(project, sources, cut)).toEqual(await tablesAfter(project, sources, []));
    }),
    { numRuns: Number(process.env['TIDEMARK_CUTS_RUNS'] ?? 4) },
  );
});

test.each([
  ['the clock', 'epoch_us(now()) as value, seq'],
  ['the order of rows', 'row_number() over () as value, seq'],
])('a model that depends on %s is told apart', async (_, columns) => {
  const sources: Commit[] = [
    { table: 'bronze.readings', rows: [[1, 0, 0, 5, 1]] },
    { table: 'bronze.readings', rows: [[3, 0, 0, 8, 2]] },
  ];
  const project = projectOf([READINGS.replace('value, seq', columns)]);
  const inOne = await tablesAfter(project, sources, []);
  expect(await tablesAfter(project, sources, [{ run: true, compact: false }])).not.toEqual(inOne);
});

// === Helpers ===

async function tablesAfter(
  project: Project,
  sources: readonly Commit[],
  cut: readonly { run: boolean; compact: boolean }[],
): Promise<Record<string, string>> {
  await using lake = await openTempLake();
  const deps = depsOf(lake, project);
  for (const commit of FIRST_COMMITS) await land(lake, commit.table, sqlOf(commit));
  for (const [index, commit] of sources.entries()) {
    await land(lake, commit.table, sqlOf(commit));
    const { run, compact } = cut[index] ?? { run: false, compact: false };
    const options = { minFiles: 1, minAgeMs: -1 };
    if (compact) await optimizeTable(lake, (await openTable(lake, commit.table))!, options);
    if (run) await runModels(deps);
  }
  await runModels(deps);
  const hashes: Record<string, string> = {};
  for (const { name } of project.models) hashes[name] = await hashOf(lake, name);
  return hashes;
}

function sqlOf(commit: Commit): string {
  if (commit.table === 'bronze.remarks') {
    return remarks(commit.rows.map(([id, isVoid]) => `('${id}','${isVoid ? 'void' : 'fine'}')`).join(','));
  }
  return readings(
    commit.rows
      .map(
        ([id, sensor, day, value, seq]) =>
          `('${id}','s${sensor}','2026-01-0${day + 1} 10:00:00Z',${value},${seq})`,
      )
      .join(','),
  );
}

/** `seq` ranks all readings without ties, as the place of a record does. */
function withDistinctOrder(all: readonly Commit[]): readonly Commit[] {
  const seen = new Set<number>();
  return all.map((commit) => {
    if (commit.table === 'bronze.remarks') return commit;
    const rows = commit.rows.map(([id, sensor, day, value, seq]) => {
      let own = seq;
      while (seen.has(own)) own += 1;
      seen.add(own);
      return [id, sensor, day, value, own] as const;
    });
    return { ...commit, rows };
  });
}
