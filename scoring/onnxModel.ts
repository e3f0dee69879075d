import { InferenceSession, Tensor } from 'onnxruntime-node';
import { fault } from '../infra/core/errorCatalog.ts';

/** A loaded classifier; the memory of the runtime is given back at the end of its scope. */
export interface OnnxModel extends AsyncDisposable {
  /**
   * Probabilities of all classes, row-major, for rows of float32 features (row-major, missing is NaN).
   * @throws MODEL_ONNX_INVALID when the rows do not fit the model
   */
  predict(values: Float32Array): Promise<Float32Array>;
}

/** What the caller expects of a model file; a file that is another model is refused. */
export interface OnnxShape {
  readonly featureCount: number;
  readonly classCount: number;
}

/** Loads a model from its bytes, for one thread. @throws MODEL_ONNX_INVALID */
export async function openOnnxModel(bytes: Uint8Array, shape: OnnxShape): Promise<OnnxModel> {
  const session = await load(bytes);
  const model: OnnxModel = {
    predict: (values) => predict(session, shape, values),
    [Symbol.asyncDispose]: () => session.release(),
  };
  // One row proves that the file has our input and output, and is as wide as the caller says.
  try {
    await model.predict(new Float32Array(shape.featureCount));
  } catch (error) {
    await session.release();
    throw error;
  }
  return model;
}

// === Helpers ===

/** One thread: on small batches more of them cost time instead of saving it. */
const SESSION: InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  logSeverityLevel: 4,
};

async function load(bytes: Uint8Array): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(bytes, SESSION);
  } catch (error) {
    throw fault('MODEL_ONNX_INVALID', { detail: String(error) }, error);
  }
}

async function predict(
  session: InferenceSession,
  shape: OnnxShape,
  values: Float32Array,
): Promise<Float32Array> {
  const rows = values.length / shape.featureCount;
  let output: unknown;
  try {
    const input = new Tensor('float32', values, [rows, shape.featureCount]);
    output = (await session.run({ X: input }, ['probabilities']))['probabilities']?.data;
  } catch (error) {
    throw fault('MODEL_ONNX_INVALID', { detail: String(error) }, error);
  }
  if (output instanceof Float32Array && output.length === rows * shape.classCount) return output;
  throw fault('MODEL_ONNX_INVALID', { detail: `no ${shape.classCount} probabilities a row came back` });
}
