/** Names of the files of `_delta_log`: the version is 20 digits, so order by name is order by version. */
const VERSION_LENGTH = 20;

export type LogFile =
  | { readonly kind: 'commit'; readonly version: number }
  | { readonly kind: 'checkpoint'; readonly version: number; readonly part: number; readonly parts: number };

/** `00000000000000000007` for 7. */
export function versionText(version: number): string {
  return String(version).padStart(VERSION_LENGTH, '0');
}

/** Directory of a table from its name: `bronze.orders` is `bronze/orders`. Pure. */
export function tablePath(name: string): string {
  return name.replaceAll('.', '/');
}

export function logPrefix(path: string): string {
  return `${path}/_delta_log/`;
}

export function commitKey(path: string, version: number): string {
  return `${logPrefix(path)}${versionText(version)}.json`;
}

export function checkpointKey(path: string, version: number): string {
  return `${logPrefix(path)}${versionText(version)}.checkpoint.parquet`;
}

export function lastCheckpointKey(path: string): string {
  return `${logPrefix(path)}_last_checkpoint`;
}

/** What a file name of `_delta_log` stands for; undefined for all that the log does not define. Pure. */
export function parseLogFile(name: string): LogFile | undefined {
  const commit = /^(\d{20})\.json$/.exec(name);
  if (commit !== null) return { kind: 'commit', version: Number(commit[1]) };
  const checkpoint = /^(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet$/.exec(name);
  if (checkpoint === null) return undefined;
  const [, version, part = '1', parts = '1'] = checkpoint;
  return { kind: 'checkpoint', version: Number(version), part: Number(part), parts: Number(parts) };
}
