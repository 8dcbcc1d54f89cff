// What can be chosen: styles, caption types and so on. null until it is known.

import { ask } from "/page/api.js";
import { engine } from "/page/engine.js";
import { effect, signal } from "/page/vendor/signals.js";

export const choices = signal(null);
export const choicesProblem = signal("");

export async function load() {
  try {
    choices.value = await ask("/prompts");
    choicesProblem.value = "";
  } catch (error) {
    choicesProblem.value = error.message;
  }
}

effect(() => {
  if (engine.value !== null && choices.value === null) load();
});
