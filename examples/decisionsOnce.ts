/** Whether this is the decision about its record; false for what is repeated. Keep `highest` with your offsets. */
export function countsOnce(highest: Map<string, number>, decisionId: string): boolean {
  const colon = decisionId.lastIndexOf(':');
  const [partition, offset] = [decisionId.slice(0, colon), Number(decisionId.slice(colon + 1))];
  if (offset <= (highest.get(partition) ?? -1)) return false;
  highest.set(partition, offset);
  return true;
}
