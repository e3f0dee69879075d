import type { TrainingSettings } from '../scoringContent.ts';

/** When the events of each slice happened: from (included) to (excluded), ms since 1970 UTC. */
export interface Periods {
  readonly training: Period;
  readonly calibration: Period;
  readonly validation: Period;
  /** Labels of the training slice count as they were known then: the last ms before validation. */
  readonly cutoffMs: number;
}

export interface Period {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The slices of a training at T. Pure. */
export function periodsOf(
  untilMs: number,
  settings: Pick<
    TrainingSettings,
    'historyMs' | 'maturityMs' | 'calibrationMs' | 'validationMs' | 'warmUpMs'
  >,
): Periods {
  const endMs = untilMs - settings.maturityMs;
  const validationMs = endMs - settings.validationMs;
  const calibrationMs = validationMs - settings.calibrationMs;
  return {
    training: { fromMs: untilMs - settings.historyMs + settings.warmUpMs, toMs: calibrationMs },
    calibration: { fromMs: calibrationMs, toMs: validationMs },
    validation: { fromMs: validationMs, toMs: endMs },
    cutoffMs: validationMs - 1,
  };
}
