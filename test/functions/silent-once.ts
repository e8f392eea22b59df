import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface SilentOnce {
  readonly endpoint: string;
  /** Number of connections accepted. */
  readonly connections: () => number;
  close(): Promise<void>;
}

/** A proxy that never answers on its first connection and forwards later ones. */
export async function startSilentOnce(endpoint: string): Promise<SilentOnce> {
  const { hostname, port } = new URL(endpoint);
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    if (++connections === 1) return void socket.resume();
    const behind = connect(Number(port), hostname);
    sockets.add(behind);
    behind.on("error", () => socket.destroy());
    socket.pipe(behind).pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
