import { randomUUID } from 'node:crypto';
import { fault } from '../infra/core/errorCatalog.ts';
import type { Lake } from '../lakehouse/lake.ts';
import {
  newestRelease,
  publishRelease,
  type Release,
  readRelease,
  rollbackRelease,
  unpinRelease,
} from '../lakehouse/release.ts';
import { type Project, withDescendants } from './project.ts';

/**
 * Holds a model, and everything that reads it, at the versions of an earlier release, until it is unpinned.
 * The release that says so is new: readers of newer ones see the old rows from then on. What reads the
 * model and was not there in the earlier release is in none until the model is unpinned.
 * @throws MODEL_UNKNOWN, LAKE_RELEASE_UNKNOWN, RUN_CONTENDED
 */
export async function rollBack(
  { lake, project }: { readonly lake: Lake; readonly project: Project },
  request: { readonly model: string; readonly to: number },
): Promise<Release> {
  const names = namesWith(project, request.model);
  const target = await readRelease(lake.store, request.to);
  if (target === undefined) throw await unknownRelease(lake, request.to);
  if (target.tables[request.model] === undefined) {
    throw fault('LAKE_RELEASE_LACKS_MODEL', { number: request.to, model: request.model });
  }
  return await publish(lake, (current, change) => rollbackRelease(current, { ...change, target, names }));
}

/** Lets a model, and everything that reads it, go on: the next run catches them up. @throws as `rollBack` */
export async function unpin(
  { lake, project }: { readonly lake: Lake; readonly project: Project },
  request: { readonly model: string },
): Promise<Release> {
  const tables = [...namesWith(project, request.model)];
  return await publish(lake, (current, change) => unpinRelease(current, { ...change, tables }));
}

/** The newest releases, newest first. */
export async function listReleases(lake: Lake, limit: number): Promise<Release[]> {
  const releases: Release[] = [];
  const newest = await newestRelease(lake.store);
  for (let next = newest; next !== undefined && releases.length < limit; ) {
    releases.push(next);
    next = next.parent === undefined ? undefined : await readRelease(lake.store, next.parent);
  }
  return releases;
}

// === Helpers ===

function namesWith(project: Project, model: string): Set<string> {
  if (!project.byName.has(model)) {
    throw fault('MODEL_UNKNOWN', { selector: model, known: [...project.byName.keys()].join(', ') });
  }
  return withDescendants(project, [model]);
}

async function publish(
  lake: Lake,
  next: (current: Release, change: { run: string; createdMs: number }) => Release,
): Promise<Release> {
  const current = await newestRelease(lake.store);
  if (current === undefined) throw await unknownRelease(lake, 1);
  const release = next(current, { run: randomUUID(), createdMs: lake.clock.nowMs() });
  const put = await publishRelease(lake, release);
  if (put === 'taken') throw fault('RUN_CONTENDED', { tries: 1 });
  return release;
}

async function unknownRelease(lake: Lake, release: number): Promise<Error> {
  const newest = await newestRelease(lake.store);
  return fault('LAKE_RELEASE_UNKNOWN', { release, newest: newest?.number ?? 'none yet' });
}
