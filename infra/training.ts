import { openRegistry } from '../scoring/registry.ts';
import { type TrainingReport, trainModel } from '../scoring/training/trainModel.ts';
import { loadXgboost } from '../scoring/training/xgboostLibrary.ts';
import type { Content } from './content.ts';
import type { Config } from './core/config.ts';
import { armCrashPoint } from './core/crashPoint.ts';
import type { Logger } from './core/ports.ts';
import { openFeatures } from './features.ts';
import { featureSettings } from './grid.ts';
import { openLake } from './lake.ts';

/** What may be asked of a training; see `TrainingRequest`. */
export interface TrainingOrder {
  readonly release?: number;
  readonly untilMs?: number;
  readonly promote: boolean;
  readonly by: string;
}

/** One training of a content in this process: opens the lake, the registry and libxgboost. */
export async function runTraining(
  content: Content,
  order: TrainingOrder,
  deps: { readonly config: Config; readonly log: Logger; readonly say: (line: string) => void },
): Promise<TrainingReport> {
  const { config, log, say } = deps;
  const xgboost = loadXgboost(config.toolsDir);
  await using lake = await openLake(config, { log, crashPoint: armCrashPoint(config.crashAt) });
  const request = {
    ...order,
    sets: await openFeatures(content, featureSettings(config)),
    featureNames: content.features.entries.map(({ name }) => name),
    scoring: content.scoring,
  };
  return await trainModel({ lake, registry: openRegistry(lake), xgboost, say }, request);
}
