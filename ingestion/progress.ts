import type { Snapshot } from '../lakehouse/snapshot.ts';

/** Landing's checkpoint: the next offset of each partition, as txns of the commits that hold the rows. */
export interface LandedPlace {
  readonly tableId: string;
  /** Name of the Kafka cluster: two clusters may have topics of one name. */
  readonly cluster: string;
  readonly topic: string;
}

/** Topic ids of history that was landed from a file start with this. */
export const FILE_ID_PREFIX = 'file:';

/** The application id whose version is the next offset of one partition. Pure. */
export function landingAppId(place: LandedPlace, topicId: string, partition: number): string {
  return `${prefixOf(place)}${topicId}:${partition}`;
}

/**
 * What has landed of a topic: for each incarnation (topic id) the next offset by partition. Pure.
 */
export function landedProgress(
  snapshot: Pick<Snapshot, 'txns'>,
  place: LandedPlace,
): ReadonlyMap<string, ReadonlyMap<number, number>> {
  const prefix = prefixOf(place);
  const incarnations = new Map<string, Map<number, number>>();
  for (const [appId, next] of snapshot.txns) {
    if (!appId.startsWith(prefix)) continue;
    const colon = appId.lastIndexOf(':');
    const topicId = appId.slice(prefix.length, colon);
    const offsets = incarnations.get(topicId) ?? new Map<number, number>();
    offsets.set(Number(appId.slice(colon + 1)), next);
    incarnations.set(topicId, offsets);
  }
  return incarnations;
}

// === Helpers ===

function prefixOf({ tableId, cluster, topic }: LandedPlace): string {
  return `land:${tableId}:${cluster}:${topic}@`;
}
