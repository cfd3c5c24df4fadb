import { createObjectClass, type ObjectClass } from './object-class.ts';
import type { Catalog } from './state.ts';
import type { Users } from './users.ts';

const VERSION = '2024.1.0';
const HOSTS = ['farm1', 'farm2', 'farm3', 'farm4'];

interface Project {
  readonly name: string;
}

const projectClass = createObjectClass<Project>('project', {
  ID: () => '000000001',
  IDINT: () => 1,
  PROJECT: (project) => project.name,
  VERSION: () => VERSION,
  STATUS: () => 'VALID',
});

const hostClass = createObjectClass<string>('hosts', { NAME: (host) => host, STATUS: () => 'READY', CPUS: () => 16 });
const userClass = createObjectClass<string>('users', { NAME: (user) => user });
const objectClass = createObjectClass<string>('objects', { OBJECTNAME: (name) => name });

const general = <T>(objects: ObjectClass<T>): ObjectClass<unknown> => objects as ObjectClass<unknown>;

/** The readable objects beside jobs. `objects` itself is documented; hosts and users are inferred. */
export function createCatalog(queueName: string, users: Users): () => Catalog {
  const names = ['jobs', 'project', 'hosts', 'users', 'objects'];
  return () => [
    { class: general(projectClass), items: [{ name: queueName }] },
    { class: general(hostClass), items: HOSTS },
    { class: general(userClass), items: users.names() },
    { class: general(objectClass), items: names },
  ];
}
