import { type Domain, type Random, randomOf, randomStream, type StreamRecord } from './randomStream.ts';

/** A record and the grid point from which on it counts in tiles. */
export interface VisibleRecord extends StreamRecord {
  readonly visibleFromMs: number;
}

/** What landed in one lake, by seed: the streams of all domains, the labels of their events, the closings. */
export interface World {
  readonly streams: Readonly<Record<Domain, readonly VisibleRecord[]>>;
  readonly labels: readonly VisibleRecord[];
}

export const DOMAINS: readonly Domain[] = ['gaming', 'fintech', 'ecommerce'];

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000];

/** Some grid points have no closing, partitions lag behind now and then, and every third seed's files land late. */
export function randomWorld(seed: number, events: number, gridMs = HOUR): World {
  const random = randomOf(1_000_003 * (seed + 1));
  const gaps = 5 + random.below(5);
  const closes = (g: number) => (Math.floor(g / gridMs) * 2_654_435_761) % 2 ** 32 >= 2 ** 32 / gaps;
  const visible = (records: readonly StreamRecord[]): VisibleRecord[] => {
    let last = 0;
    return records.map((record, i) => {
      const isLateFile = seed % 3 === 0 && record.topicId.startsWith('file:');
      const seen = isLateFile ? (records.find((_, j) => j >= i && j >= events / 3) ?? record) : record;
      const lag = random.below(12) === 0 ? random.below(30) * gridMs : 0;
      let g = Math.max(last, Math.ceil((seen.arrivedAtMs - 5 * MINUTE) / gridMs) * gridMs + lag);
      while (!closes(g)) g += gridMs;
      last = g;
      return { ...record, visibleFromMs: g };
    });
  };
  const streamOf = (domain: Domain) => visible(randomStream(seed, events, domain));
  const streams = {
    gaming: streamOf('gaming'),
    fintech: streamOf('fintech'),
    ecommerce: streamOf('ecommerce'),
  };
  return { streams, labels: visible(labelsOf(random, seed, Object.values(streams).flat())) };
}

/** By bronze table. */
export function worldTables({ streams, labels }: World): Record<string, readonly VisibleRecord[]> {
  return {
    ...Object.fromEntries(DOMAINS.map((one) => [`bronze.tx_${one}`, streams[one]])),
    'bronze.labels': labels,
  };
}

// === Helpers ===

/** Labels, corrections, statements of several sources, repeated ones, some before their event, in order of arrival. */
function labelsOf(random: Random, seed: number, events: readonly StreamRecord[]): StreamRecord[] {
  const drafts = events.flatMap((event) => (random.below(3) > 0 ? [] : statementsOf(random, event)));
  const labels = drafts.flatMap((draft) => (random.below(10) === 0 ? [draft, draft] : [draft]));
  const inOrder = labels.toSorted((a, b) => a.arrivedAtMs - b.arrivedAtMs);
  return inOrder.map((label, offset) => ({ ...label, topicId: 'labels-1', partition: seed, offset }));
}

type LabelDraft = Omit<StreamRecord, 'topicId' | 'partition' | 'offset'>;

function statementsOf(random: Random, { value, eventTimeMs }: StreamRecord): LabelDraft[] {
  const id = String(value['transaction_id']);
  const sources = random.pick(
    ['simulator'],
    ['chargeback'],
    ['verdict', 'chargeback'],
    ['chargeback', 'verdict'],
  );
  return sources.flatMap((source, which) => {
    let atMs = eventTimeMs + random.pick(0, MINUTE, HOUR, 3 * HOUR, DAY, 7 * DAY);
    return Array.from({ length: random.pick(1, 1, 2, 3) }, (_, i): LabelDraft => {
      atMs += random.pick(0, HOUR, DAY, 7 * DAY, 21 * DAY);
      const label = random.pick('fraud', 'fraud', 'fraud', 'legitimate', 'unsure');
      const available = new Date(atMs).toISOString().replace('Z', '000Z');
      const arrivedAtMs = atMs + random.pick(0, MINUTE, HOUR, -5 * MINUTE, 30 * HOUR);
      const labelled = { label_id: `${id}-${which}`, revision: i + 1, event_id: id, label, source };
      return {
        key: id,
        eventTimeMs: atMs,
        arrivedAtMs,
        value: { ...labelled, label_available_at: available },
      };
    });
  });
}
