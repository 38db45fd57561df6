// The receipt of a done job. In: the job. Out: its download, and whether the gateway's verifier accepts it.

import { bytesOf, get } from './api.js';
import { fill, h } from './dom.js';
import { bytes } from './format.js';
import { shape } from './icons.js';
import { failure } from './notice.js';

export class Receipt {
  constructor(id) {
    this.id = id;
    this.checked = null;
    this.verdict = h('span', { class: 'verdict', role: 'status' });
    this.button = h('button', { type: 'button', class: 'primary', onclick: () => this.download() }, 'Download receipt');
    this.element = h('div', { class: 'receipt', hidden: true }, this.button, this.verdict);
  }

  draw(job) {
    this.element.hidden = job.state !== 'done';
    if (job.state !== 'done' || this.checked === job.receipt) return;
    this.checked = job.receipt;
    this.verify();
  }

  async verify() {
    fill(this.verdict, 'Verifying…');
    try {
      const { is_valid, reason } = await get(`/jobs/${this.id}/verification`);
      if (is_valid) fill(this.verdict, h('span', { class: 'is-done with-shape' }, shape('done'), 'Verified'), h('span', { class: 'quiet' }, 'by the gateway, just now'));
      else fill(this.verdict, h('span', { class: 'is-dead with-shape' }, shape('dead'), 'Rejected'), h('span', {}, reason ?? ''));
    } catch (error) {
      fill(this.verdict, h('span', { class: 'quiet' }, `Not verified: ${error.message} `), h('button', { type: 'button', class: 'link', onclick: () => this.verify() }, 'Try again'));
    }
  }

  /** A link cannot carry the token, so the bytes are fetched and handed to the browser. */
  async download() {
    this.button.disabled = true;
    try {
      const blob = await bytesOf(`/jobs/${this.id}/receipt`);
      const url = URL.createObjectURL(blob);
      const anchor = h('a', { href: url, download: `${this.id}.receipt` });
      document.body.append(anchor);
      anchor.click();
      anchor.remove();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      this.button.textContent = `Download receipt (${bytes(blob.size)})`;
    } catch (error) {
      failure(error);
    } finally {
      this.button.disabled = false;
    }
  }
}
