import { parentPort } from 'node:worker_threads';
import { performTask, type Task } from './verify-task.ts';

// One task at a time: the other side sends the next only after the answer.
parentPort?.on('message', (task: Task) => {
  void performTask(task).then((result) => parentPort?.postMessage(result));
});
