// A wire between browser and gateway that can be cut. In: the gateway's URL. Out: another URL, for the same gateway.

import { connect, createServer } from 'node:net';

export class Wire {
  static async to(url) {
    const { hostname, port } = new URL(url);
    const wire = new Wire();
    wire.ends = new Set();
    wire.isCut = false;
    wire.server = createServer((near) => {
      const far = connect(Number(port), hostname);
      for (const end of [near, far]) {
        wire.ends.add(end);
        end.on('error', () => {});
        end.on('close', () => wire.ends.delete(end));
      }
      if (wire.isCut) wire.drop();
      else near.pipe(far).pipe(near);
    });
    await new Promise((resolve) => wire.server.listen(0, '127.0.0.1', resolve));
    wire.url = `http://127.0.0.1:${wire.server.address().port}`;
    return wire;
  }

  cut() {
    this.isCut = true;
    this.drop();
  }

  mend() {
    this.isCut = false;
  }

  drop() {
    for (const end of this.ends) end.destroy();
  }

  close() {
    this.drop();
    this.server.close();
  }
}
