import type { ErrorDefinition } from './errors.ts';

/** The part of the error catalogue that belongs to the grid: closings, tiles and marts; see `errorCatalog.ts`. */
export const GRID_ERRORS = {
  GRID_CHANGED: {
    domain: 'user',
    retry: 'never',
    message: 'the lake is closed every {was} ms, the configuration says every {is} ms',
    remedy: 'set TIDEMARK_GRID as it was: grid points that are closed stay, and what is trained follows them',
  },
  GRID_CLOSING_CORRUPT: {
    domain: 'external',
    retry: 'never',
    message: '{key} is missing or damaged: what was visible at this grid point is not known',
    remedy: 'restore the object from a backup of the lake; closings are written once and never removed',
  },
  GRID_CONTENDED: {
    domain: 'internal',
    retry: 'backoff',
    message: 'other runners of the grid were faster {tries} times',
    remedy: 'run again; nothing is lost, and what was published stands',
  },
  GRID_ROWS_DIFFER: {
    domain: 'internal',
    retry: 'never',
    message: '{table} would count {tiled} rows at grid point {at}, bronze has {rows}: nothing was committed',
    remedy: 'report this with the definition of the entity; readers keep the released tiles',
  },
} as const satisfies Record<string, ErrorDefinition>;
