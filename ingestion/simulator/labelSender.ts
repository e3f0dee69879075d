import { LABELS_TOPIC } from './domains.ts';
import { createDueQueue } from './dueQueue.ts';
import { availableBy, type LabelRecord } from './labelling.ts';
import type { SendLanes } from './sendLanes.ts';

/** Sends labels when they are due, by simulated wall clock. */
export interface LabelSender {
  /** Labels of an event of this run. */
  add(labels: readonly LabelRecord[]): void;
  /** Offers what is due. @param dueMs the same moment on the monotone clock */
  offerDue(nowMs: number, dueMs: number): void;
  /** Offers all that is left of this run as known by `nowMs`; an earlier history's labels stay behind. */
  offerRest(nowMs: number, dueMs: number): void;
}

/** @param options.pending labels of an earlier history that become known from now on */
export function createLabelSender(options: {
  readonly lanes: Pick<SendLanes, 'offer'>;
  readonly pending: readonly LabelRecord[];
}): LabelSender {
  const own = createDueQueue<LabelRecord>();
  const earlier = createDueQueue<LabelRecord>();
  for (const label of options.pending) earlier.add(label.availableAtMs, label);
  const offer = ({ key, value, availableAtMs }: LabelRecord, dueMs: number) =>
    options.lanes.offer({ topic: LABELS_TOPIC, record: { key, value, timestampMs: availableAtMs }, dueMs });
  return {
    add: (labels) => {
      for (const label of labels) own.add(label.availableAtMs, label);
    },
    offerDue: (nowMs, dueMs) => {
      for (const queue of [earlier, own]) {
        for (let label = queue.takeDue(nowMs); label !== undefined; label = queue.takeDue(nowMs)) {
          offer(label, dueMs);
        }
      }
    },
    offerRest: (nowMs, dueMs) => {
      const end = Number.POSITIVE_INFINITY;
      for (let label = own.takeDue(end); label !== undefined; label = own.takeDue(end)) {
        offer(availableBy(label, nowMs), dueMs);
      }
    },
  };
}
