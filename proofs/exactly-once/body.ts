/** The body of the submission of this name; its log file tells the witness whose job it is. */
export const bodyOf = (name: string): string =>
  JSON.stringify({ command: `run ${name}`, logfile: `JOBLOG.${name}`, rundir: '/proj/storm', env: 'BASE' });
