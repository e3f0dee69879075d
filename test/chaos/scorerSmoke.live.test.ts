import { expect, test } from 'vitest';
import {
  decisionsOf,
  missing,
  openScoredWorld,
  readDecisions,
  startProcess,
  stopCleanly,
  traffic,
  undecided,
} from './scoredWorld.ts';

test('smoke', async () => {
  await using world = await openScoredWorld('smoke');
  await using ingest = startProcess('ingest', world.env('a', { TIDEMARK_LOG_LEVEL: 'debug' }));
  await using score = startProcess('score', world.env('a', { TIDEMARK_LOG_LEVEL: 'debug' }));
  const stream = traffic(7, ['gaming', 'fintech'], 100);
  await using lake = await world.lake('a');
  for (let i = 0; i < 5; i += 1) await world.send(stream, 1000);
  await expect.poll(() => undecided(world, lake), { timeout: 30_000, interval: 500 }).toBe(0);
  console.log(score.output());
  await stopCleanly(score);
  await using again = startProcess('score', world.env('a', { TIDEMARK_LOG_LEVEL: 'debug' }));
  setTimeout(() => console.log('AGAIN', again.output()), 12000);
  for (let i = 0; i < 5; i += 1) await world.send(stream, 1000);
  await expect.poll(() => undecided(world, lake), { timeout: 30_000, interval: 500 }).toBe(0);
  console.log(again.output().slice(0, 3000));
  await stopCleanly(again);
  await stopCleanly(ingest);
  const topic = await readDecisions(world.brokers, decisionsOf(world.content()).topic);
  expect(missing(await world.sources(), topic)).toEqual([]);
  console.log(topic.dropped, topic.misplaced.length);
  const [[, one] = []] = topic.decisions;
  console.log([...(one ?? [])].slice(-2));
});
