import { openBronze } from '../ingestion/bronzeTable.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { loadProject } from '../transforms/project.ts';
import type { RunDeps } from '../transforms/run.ts';
import type { Content } from './content.ts';
import type { Logger } from './core/ports.ts';

/**
 * The models of a content over a lake. The bronze tables of all its contracts are there afterwards,
 * empty ones too, so that a topic without records does not hold back what reads several topics.
 */
export async function openTransforms(lake: Lake, content: Content, log: Logger): Promise<RunDeps> {
  const project = await loadProject(content.transformsDir);
  for (const contract of content.contracts) await openBronze(lake, contract);
  return { lake, project, log };
}
