import { ARRIVAL_DATE, bronzeFields } from '../ingestion/bronze.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { createTable } from '../lakehouse/table.ts';
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
  for (const contract of content.contracts) {
    await createTable(lake, {
      name: contract.table,
      fields: bronzeFields(contract),
      partitionColumns: [ARRIVAL_DATE],
      description: contract.doc,
    });
  }
  return { lake, project, log };
}
