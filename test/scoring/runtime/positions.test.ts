import { expect, test } from 'vitest';
import { type PartitionFacts, planRestore } from '../../../scoring/runtime/positions.ts';

const place = { topic: 't', topicId: 'id', partition: 0 };
const facts = (changes: Partial<PartitionFacts> = {}): PartitionFacts => ({
  ...{ place, logStart: 0, logEnd: 1_000, landed: 500, start: 0, decided: undefined, tail: undefined },
  ...changes,
});

test('the highest of start, landed decisions and their tail is the position', () => {
  const position = (changes: Partial<PartitionFacts>) => planRestore(facts(changes)).position;
  expect(position({ start: 40 })).toBe(40);
  expect(position({ start: 40, decided: 300 })).toBe(300);
  expect(position({ start: 40, decided: 300, tail: 350 })).toBe(350);
  expect(position({ start: 40, tail: 30 })).toBe(40);
  expect(position({ decided: 300, tail: 200 })).toBe(300);
});

test('decisions are ahead of the landing: what has not landed is read again only to be folded in', () => {
  expect(planRestore(facts({ tail: 700 }))).toMatchObject({
    ...{ position: 700, foldBelow: 500, consumeFrom: 500, bronze: { from: 500, to: 500 } },
  });
});

test('the landing is ahead of decisions: what is not decided is not folded', () => {
  expect(planRestore(facts({ decided: 300 }))).toMatchObject({
    ...{ position: 300, foldBelow: 300, consumeFrom: 300, bronze: { from: 300, to: 300 } },
  });
});

test('nothing has landed: Kafka is read from its start', () => {
  const plan = planRestore(facts({ landed: undefined, logStart: 20, start: 20, tail: 25 }));
  expect(plan).toMatchObject({ position: 25, foldBelow: 20, consumeFrom: 20 });
});

test('what Kafka has no more is decided from bronze', () => {
  expect(planRestore(facts({ decided: 300, logStart: 450 }))).toMatchObject({
    ...{ position: 300, foldBelow: 300, bronze: { from: 300, to: 450 }, consumeFrom: 450 },
  });
});

test('what neither of them has stops the scorer', () => {
  const code = (changes: Partial<PartitionFacts>) => {
    try {
      planRestore(facts(changes));
      return undefined;
    } catch (error) {
      return (error as { code?: string }).code;
    }
  };
  expect(code({ logStart: 501, decided: 300 })).toBe('LANDING_RETENTION_OVERTOOK');
  expect(code({ logStart: 600, tail: 700 })).toBe('LANDING_RETENTION_OVERTOOK');
  expect(code({ tail: 1_001 })).toBe('LANDING_LOG_TRUNCATED');
  expect(code({ landed: 1_001 })).toBe('LANDING_LOG_TRUNCATED');
  expect(code({ landed: 1_000, tail: 1_000 })).toBeUndefined();
});
