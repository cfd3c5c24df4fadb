// Reports what happened, once, to log, metrics and audit trail.
export { cleanText } from './clean-text.ts';
export { createReport, type ReportHandle, type ReportOptions } from './create-report.ts';
export { EVENT_FIELDS, type FieldRule, REQUEST_FIELDS } from './log-fields.ts';
export { describeMetrics } from './metric-table.ts';
export type {
  CertificateRecord,
  Door,
  LogFields,
  Logger,
  LoginRecord,
  Report,
  RequestRecord,
  UpstreamRecord,
} from './report.ts';
export type { MetricDescription } from './series.ts';
