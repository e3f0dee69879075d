/** ISO-8601 instants as the contracts spell them. Pure; no I/O. */

const FORM = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:Z|([+-])(\d\d):(\d\d))$/;

/**
 * Milliseconds since 1970-01-01 UTC and the microseconds beyond them; undefined for what is no instant
 * (a 30th of February, hour 24, a second 60, more than six digits of a second, no zone), and for what
 * lies outside of the years 1 to 9999 in UTC, which not every reader of the lake can spell.
 */
export function parseInstant(text: string): { readonly ms: number; readonly restMicros: number } | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '', sign, zoneHour = '0', zoneMinute = '0'] =
    match;
  const inRange =
    Number(hour) <= 23 &&
    Number(minute) <= 59 &&
    Number(second) <= 59 &&
    Number(zoneHour) <= 14 &&
    Number(zoneMinute) <= 59;
  const midnight = Date.parse(`${year}-${month}-${day}T00:00:00Z`);
  if (!inRange || Number.isNaN(midnight) || new Date(midnight).getUTCDate() !== Number(day)) return undefined;
  const micros = Number(fraction.padEnd(6, '0'));
  const zoneMs = (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000 * (sign === '-' ? -1 : 1);
  const clockMs = ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1_000;
  const ms = midnight + clockMs + Math.floor(micros / 1_000) - zoneMs;
  return ms >= FIRST_MS && ms <= LAST_MS ? { ms, restMicros: micros % 1_000 } : undefined;
}

/** The instant in UTC with six digits of a second; the same instants have the same text. */
export function formatInstant({
  ms,
  restMicros,
}: {
  readonly ms: number;
  readonly restMicros: number;
}): string {
  return `${new Date(ms).toISOString().slice(0, -1)}${String(restMicros).padStart(3, '0')}Z`;
}

/** `YYYY-MM-DD` of a time in UTC. */
export function utcDate(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Whether a record's timestamp can be its arrival: there, and within the calendar. */
export function isArrival(ms: number): boolean {
  return ms >= 0 && ms <= LAST_MS;
}

/** The beginning of the year 1. */
const FIRST_MS = -62_135_596_800_000;
/** The end of the year 9999. */
const LAST_MS = 253_402_300_799_999;
