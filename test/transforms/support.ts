import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SqlRow } from '../../infra/core/duckdb.ts';
import { isFault } from '../../infra/core/errorCatalog.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { scan } from '../../lakehouse/scan.ts';
import { openTable } from '../../lakehouse/table.ts';
import { tableHash } from '../../lakehouse/tableHash.ts';
import { parseModel } from '../../transforms/model.ts';
import { buildProject, type Project, type Seed } from '../../transforms/project.ts';
import type { ModelReport, RunReport } from '../../transforms/report.ts';
import { createTableLike, silentLog, stageRows, type TempLake } from '../support/tempLake.ts';

/** A project from SQL texts, without files; seeds are files below the lake's directory. */
export function projectOf(
  models: readonly string[],
  extras: { audits?: Record<string, string>; seeds?: readonly Seed[] } = {},
): Project {
  return buildProject({
    models: models.map((text, index) => parseModel(`models/${index}.sql`, text.trim())),
    seeds: extras.seeds ?? [],
    audits: new Map(Object.entries(extras.audits ?? {})),
  });
}

export function seedOf(lake: TempLake, name: string, csv: string): Seed {
  const dir = join(lake.rootDir, 'seeds');
  mkdirSync(dir, { recursive: true });
  const path = join(dir, `${name}.csv`);
  writeFileSync(path, csv);
  return { name, path, hash: createHash('sha256').update(csv).digest('hex') };
}

export function depsOf(lake: Lake, project: Project) {
  return { lake, project, log: silentLog };
}

/** Commits rows to a source table as landing does, blind; creates the table on first use. */
export async function land(lake: Lake, table: string, select: string): Promise<number> {
  const opened = (await openTable(lake, table)) ?? (await createTableLike(lake, { name: table, select }));
  const base = await opened.snapshot();
  const adds = await stageRows(lake, opened, { select });
  const result = await opened.commit({ operation: 'STREAMING UPDATE', base, adds, reads: 'nothing' });
  return result.kind === 'committed' ? result.version : -1;
}

/** A release's or the newest rows of a table, quarantined ones included, in a stable order. */
export async function rowsOf(
  lake: Lake,
  table: string,
  options: { version?: number; columns?: string } = {},
): Promise<SqlRow[]> {
  const opened = await openTable(lake, table);
  if (opened === undefined) return [];
  const at = options.version === undefined ? undefined : { version: options.version };
  await using scanned = await scan(lake, await opened.snapshot(at));
  await using session = await lake.duckdb.connect();
  return await session.rows(`select ${options.columns ?? '*'} from ${scanned.sql} order by all`);
}

/** Hash over all rows of a table at its head, whatever files they are in. */
export async function hashOf(lake: Lake, table: string): Promise<string> {
  const opened = await openTable(lake, table);
  if (opened === undefined) return 'no table';
  await using scanned = await scan(lake, await opened.snapshot());
  await using session = await lake.duckdb.connect();
  return await tableHash(session, scanned.sql);
}

export function codeOf(error: unknown): string {
  return isFault(error, 'MODEL_INVALID') ? error.message : String(error);
}

/** What a run reports of one model. */
export function modelReport(report: RunReport, model: string): ModelReport {
  const found = report.summary.models.find((m) => m.model === model);
  if (found === undefined) throw new Error(`the run says nothing of ${model}`);
  return found;
}

export class Crash extends Error {}

/** A lake whose process dies at the n-th passing of a crash point. */
export function crashingAt(lake: Lake, point: string, nth = 1): Lake {
  let left = nth;
  return {
    ...lake,
    crashPoint: (name) => {
      if (name !== point) return;
      left -= 1;
      if (left === 0) throw new Crash(name);
    },
  };
}

/** A lake that notes the data files that are opened, in order. */
export function watchFiles(lake: TempLake): { lake: TempLake; opened: string[] } {
  const opened: string[] = [];
  const store = {
    ...lake.store,
    openLocal: (key: string) => {
      opened.push(key);
      return lake.store.openLocal(key);
    },
  };
  return { lake: { ...lake, store }, opened };
}
