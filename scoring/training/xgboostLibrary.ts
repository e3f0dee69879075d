import { join } from 'node:path';
import koffi from 'koffi';
import { fault } from '../../infra/core/errorCatalog.ts';

/** As brought by infra/stack/bring.sh; one version, since equal input gives equal bytes only then. */
export const XGBOOST_VERSION = '3.2.0';

/** Row-major values, NaN where missing; its length is a multiple of `featureCount`. */
export interface DenseRows {
  readonly values: Float32Array;
  readonly featureCount: number;
}

/** What is trained: parameters go to libxgboost as they are, in their order. */
export interface BoosterRequest {
  readonly rows: DenseRows;
  /** Class index (or 0 and 1) of each row. */
  readonly labels: Float32Array;
  readonly rounds: number;
  readonly parameters: Readonly<Record<string, string | number>>;
}

/**
 * libxgboost, by its C interface. Calls block and take whole seconds on large row sets: call from a
 * process that does nothing else.
 */
export interface Xgboost {
  /** The trained model as libxgboost's JSON. @throws XGBOOST_FAILED */
  train(request: BoosterRequest): Uint8Array;
  /** Predictions of a model in JSON, row-major: one value a class and row. @throws XGBOOST_FAILED */
  predict(model: Uint8Array, rows: DenseRows): Float32Array;
}

/** Loads the library below `toolsDir` (Config.toolsDir). @throws XGBOOST_MISSING */
export function loadXgboost(toolsDir: string): Xgboost {
  const calls = bind(join(toolsDir, `xgboost-${XGBOOST_VERSION}`, 'xgboost', 'lib', 'libxgboost.so'));
  return {
    train: (request) => train(calls, request),
    predict: (model, rows) => predict(calls, model, rows),
  };
}

// === Helpers ===

type Call = (...args: unknown[]) => void;
type Calls = Readonly<Record<keyof typeof PROTOTYPES, Call>>;

const PROTOTYPES = {
  XGDMatrixCreateFromMat:
    'int XGDMatrixCreateFromMat(const float *data, uint64_t nrow, uint64_t ncol, float missing, _Out_ void **out)',
  XGDMatrixSetFloatInfo:
    'int XGDMatrixSetFloatInfo(void *handle, const char *field, const float *array, uint64_t len)',
  XGDMatrixFree: 'int XGDMatrixFree(void *handle)',
  XGBoosterCreate: 'int XGBoosterCreate(void **matrices, uint64_t len, _Out_ void **out)',
  XGBoosterSetParam: 'int XGBoosterSetParam(void *handle, const char *name, const char *value)',
  XGBoosterUpdateOneIter: 'int XGBoosterUpdateOneIter(void *handle, int iter, void *train)',
  XGBoosterLoadModelFromBuffer:
    'int XGBoosterLoadModelFromBuffer(void *handle, const void *buf, uint64_t len)',
  XGBoosterSaveModelToBuffer:
    'int XGBoosterSaveModelToBuffer(void *handle, const char *config, _Out_ uint64_t *len, _Out_ void **out)',
  XGBoosterPredict:
    'int XGBoosterPredict(void *handle, void *matrix, int mask, uint32_t trees, int training, _Out_ uint64_t *len, _Out_ void **out)',
  XGBoosterFree: 'int XGBoosterFree(void *handle)',
};

/** Each call throws XGBOOST_FAILED when libxgboost does not answer 0. */
function bind(path: string): Calls {
  const library = open(path);
  const lastError = library.func('const char *XGBGetLastError()');
  const bound = Object.entries(PROTOTYPES).map(([name, prototype]) => {
    const native = library.func(prototype);
    const call: Call = (...args) => {
      if (native(...args) === 0) return;
      // The first line says what is wrong; a stack of C++ functions follows.
      throw fault('XGBOOST_FAILED', { call: name, detail: String(lastError()).split('\n')[0] ?? '' });
    };
    return [name, call] as const;
  });
  return Object.fromEntries(bound) as Calls;
}

function open(path: string) {
  try {
    return koffi.load(path);
  } catch (error) {
    throw fault('XGBOOST_MISSING', { path, detail: String(error) }, error);
  }
}

/** A handle of the library that is freed at the end of its scope, also when a call failed. */
interface Handle extends Disposable {
  readonly pointer: unknown;
}

function train(calls: Calls, { rows, labels, rounds, parameters }: BoosterRequest): Uint8Array {
  using matrix = createMatrix(calls, rows);
  calls.XGDMatrixSetFloatInfo(matrix.pointer, 'label', labels, labels.length);
  using booster = createBooster(calls, [matrix]);
  for (const [name, value] of Object.entries(parameters)) {
    calls.XGBoosterSetParam(booster.pointer, name, String(value));
  }
  for (let round = 0; round < rounds; round += 1) {
    calls.XGBoosterUpdateOneIter(booster.pointer, round, matrix.pointer);
  }
  return received((length, out) =>
    calls.XGBoosterSaveModelToBuffer(booster.pointer, '{"format":"json"}', length, out),
  );
}

function predict(calls: Calls, model: Uint8Array, rows: DenseRows): Float32Array {
  if (rows.values.length === 0) return new Float32Array(0);
  using matrix = createMatrix(calls, rows);
  using booster = createBooster(calls, []);
  calls.XGBoosterLoadModelFromBuffer(booster.pointer, model, model.length);
  calls.XGBoosterSetParam(booster.pointer, 'nthread', '1');
  const bytes = received(
    (length, out) => calls.XGBoosterPredict(booster.pointer, matrix.pointer, 0, 0, 0, length, out),
    Float32Array.BYTES_PER_ELEMENT,
  );
  return new Float32Array(bytes.buffer);
}

function createMatrix(calls: Calls, { values, featureCount }: DenseRows): Handle {
  const out: unknown[] = [null];
  calls.XGDMatrixCreateFromMat(values, values.length / featureCount, featureCount, Number.NaN, out);
  return { pointer: out[0], [Symbol.dispose]: () => calls.XGDMatrixFree(out[0]) };
}

function createBooster(calls: Calls, matrices: readonly Handle[]): Handle {
  const out: unknown[] = [null];
  const pointers = matrices.map(({ pointer }) => pointer);
  calls.XGBoosterCreate(pointers, pointers.length, out);
  return { pointer: out[0], [Symbol.dispose]: () => calls.XGBoosterFree(out[0]) };
}

/** What a call hands out belongs to the library and lives until the next call: it is copied at once. */
function received(
  call: (length: unknown[], out: unknown[]) => void,
  bytesPerElement = 1,
): Uint8Array<ArrayBuffer> {
  const [length, out]: [unknown[], unknown[]] = [[null], [null]];
  call(length, out);
  return new Uint8Array(koffi.view(out[0], Number(length[0]) * bytesPerElement).slice(0));
}
