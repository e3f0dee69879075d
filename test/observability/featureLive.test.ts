import { expect, it } from 'vitest';
import { paymentContent } from '../../infra/content.ts';
import { openFeatures } from '../../infra/features.ts';
import { txFintech } from '../../ingestion/contracts/txFintech.ts';
import { liveFeatures } from '../../observability/featureLive.ts';
import { openTempLake } from '../support/tempLake.ts';
import { randomStream } from '../transforms/features/randomStream.ts';
import { decideStream, landDecisions } from './decidedLake.ts';

const sets = await openFeatures(paymentContent);
const fintech = sets.find(({ source }) => source.name === 'fintech')!;

it("says how many values were missing and why, of the newest decisions with today's list", async () => {
  await using lake = await openTempLake();
  const request = {
    decisions: 'bronze.decisions',
    last: 100,
    sources: [{ set: fintech, topic: txFintech.topic }],
  };
  expect((await liveFeatures(lake, request)).size).toBe(0);
  const decided = decideStream(fintech, { topic: txFintech.topic }, randomStream(1, 200, 'fintech'));
  const [first, ...others] = decided;
  await landDecisions(lake, [
    ...others,
    { ...first!, feature_list: 'another', decided_at: '2027-01-01T00:00:00Z' },
  ]);
  const newest = others.slice(-99);
  const late = newest.filter(({ statuses }) => statuses?.startsWith('L')).length;
  expect(late).toBeGreaterThan(0);
  const lives = await liveFeatures(lake, request);
  expect(lives.get('amt_log')).toEqual([
    { source: 'fintech', vectors: 99, missing: 0, statuses: { PRESENT: 99 } },
  ]);
  expect(lives.get('cnt_user_24h')).toEqual([
    { source: 'fintech', vectors: 99, missing: late, statuses: { PRESENT: 99 - late, TOO_LATE: late } },
  ]);
  expect(lives.get('cnt_user_7d')).toEqual([
    { source: 'fintech', vectors: 99, missing: 99, statuses: { NOT_HELD: 99 } },
  ]);
});
