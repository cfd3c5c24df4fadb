// Reports what happened, once, to log, metrics and audit trail.
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
