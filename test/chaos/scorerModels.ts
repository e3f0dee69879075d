import type { Content } from '../../infra/content.ts';
import { openFeatures } from '../../infra/features.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { openRegistry } from '../../scoring/registry.ts';
import { cardFeatures, filesOf, stump, treesJson } from '../scoring/modelFiles.ts';

/**
 * A model of the shipped features by one of them: below e^`logAmount` regular (p_fraud .09), above nobody
 * knows (.67); which is a review with these thresholds.
 */
export async function registerModel(
  lake: Lake,
  content: Content,
  { version, logAmount }: { readonly version: string; readonly logAmount: number },
): Promise<void> {
  const features = cardFeatures(await openFeatures(content));
  const amount = features.findIndex(({ name }) => name === 'amt_log');
  const threshold = Math.fround(logAmount);
  const trees = [stump(0, amount, threshold, [3, 0])];
  const sample = (value: number, margin: number) => {
    const values = new Float32Array(features.length).fill(Number.NaN);
    values[amount] = value;
    const powers = [margin, 0, 0].map(Math.exp);
    const sum = powers.reduce((total, power) => total + power, 0);
    return { values, probabilities: powers.map((power) => power / sum) };
  };
  const files = filesOf({
    ...{ version, features, classNames: ['regular', 'burst', 'gap'] },
    trees: treesJson({ featureCount: features.length, baseMargins: [0, 0, 0], trees }),
    samples: [sample(logAmount - 1, 3), sample(logAmount + 1, 0)],
  });
  await openRegistry(lake).register(files);
}

/** Makes a version the one that decides. */
export async function promote(lake: Lake, version: string | null): Promise<void> {
  const registry = openRegistry(lake);
  const { seen } = await registry.aliases();
  const change = { alias: 'champion', move: 'promote', version, by: 'test', reason: 'test' } as const;
  if ((await registry.point(change, seen)) === 'taken') await promote(lake, version);
}
