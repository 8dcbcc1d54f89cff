import htm from "/page/vendor/htm.js";
import { h } from "/page/vendor/preact.js";

export const html = htm.bind(h);
