import { type Maintenance, startsWork } from '../../limits/index.ts';
import type { Step } from '../scope.ts';

/**
 * Holds submissions and changes of jobs back while their queue is frozen. One with an Idempotency-Key goes on to its record,
 * which may have its answer already; what is then sent after all is held back at its turn (gate.ts).
 */
export function createCheckMaintenance(maintenance: Pick<Maintenance, 'admit'>): Step {
  return ({ route, account, meta, req, result }) => {
    // A dry run has its answer.
    if (route === null || account === null || result !== null) return;
    if (!startsWork({ class: route.class, method: meta.method })) return;
    if (route.class === 'submit' && req.headers['idempotency-key'] !== undefined) return;
    maintenance.admit(account.queue);
  };
}
