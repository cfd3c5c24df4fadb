import { spawnSync } from 'node:child_process';

/** A python3 that stands first in PATH may lack the packages that the system's own one has. */
const CANDIDATES = ['python3', '/usr/bin/python3'];

/** The interpreter that can import `requests`, as the vendor's scripts need it; null when there is none. */
export function findPythonWithRequests(): string | null {
  const works = (python: string): boolean =>
    spawnSync(python, ['-c', 'import requests'], { stdio: 'ignore' }).status === 0;
  return CANDIDATES.find(works) ?? null;
}

/** As {@link findPythonWithRequests}, but throws with what to install. */
export function pythonWithRequests(): string {
  const python = findPythonWithRequests();
  if (python === null) throw new Error('no python3 with the package requests; install python3 and python3-requests');
  return python;
}
