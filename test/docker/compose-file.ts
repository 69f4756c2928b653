import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const dockerDir = path.join(root, 'docker');

export interface Mount {
  type: string;
  source: string;
  target: string;
  read_only?: boolean;
  bind?: { create_host_path?: boolean };
}

export interface Service {
  image: string;
  build?: { context: string; dockerfile: string };
  user?: string;
  init?: boolean;
  read_only?: boolean;
  privileged?: boolean;
  cap_add?: string[];
  cap_drop?: string[];
  security_opt?: string[];
  network_mode?: string;
  networks?: string[] | Record<string, { ipv4_address?: string; aliases?: string[] } | null>;
  ports?: string[];
  environment?: Record<string, string>;
  entrypoint?: string[];
  command?: string[];
  volumes?: Mount[];
  secrets?: string[];
  tmpfs?: string[];
  healthcheck?: { test: string[]; interval: string; timeout: string; retries: number };
  depends_on?: Record<string, { condition: string }>;
}

export interface Network {
  internal?: boolean;
  ipam?: { config: { subnet: string; gateway: string }[] };
}

export interface ComposeFile {
  name: string;
  services: Record<'gateway' | 'drachtio' | 'freeswitch' | 'redis', Service>;
  networks: Record<'edge' | 'core' | 'engines' | 'store', Network | null>;
  secrets: Record<string, { file: string }>;
}

/** compose.yaml with its merge keys resolved. */
export function readCompose(): ComposeFile {
  return parse(readFileSync(path.join(dockerDir, 'compose.yaml'), 'utf8'), { merge: true }) as ComposeFile;
}

/** The bind mounts of a service, with their sources as absolute paths. */
export function mountsOf(service: Service): Mount[] {
  return (service.volumes ?? []).map((mount) => ({ ...mount, source: path.resolve(dockerDir, mount.source) }));
}

/** Where a path inside a service's container comes from on the host; undefined when nothing is mounted there. */
export function hostPath(service: Service, inside: string): string | undefined {
  for (const { source, target } of mountsOf(service)) {
    if (inside === target) return source;
    if (inside.startsWith(`${target}/`)) return path.join(source, inside.slice(target.length + 1));
  }
  return undefined;
}
