// The fields of one set of settings.

import { html } from "/page/html.js";

// `set` takes a setting's name and its new value. `maxTokens` is what counts where none are given.
export function SettingsForm({ settings, choices, set, maxTokens }) {
  const { styles, own_styles, style_sampling, caption_types, lengths, options, defaults } = choices;
  const hasPrompt = settings.prompt.trim() !== "";
  const isType = settings.kind.startsWith("type:");
  const own = (!hasPrompt && !isType && style_sampling[settings.kind.slice("style:".length)]) || {};
  const toggle = (option, isOn) =>
    set("options", isOn ? [...settings.options, option] : settings.options.filter((one) => one !== option));
  const number = (name, label, hint, step) => html`<label>${label}
    <input
      type="number"
      inputmode="decimal"
      step=${step}
      placeholder=${hint}
      value=${settings[name]}
      onInput=${(event) => set(name, event.target.value)}
    />
  </label>`;
  return html`<fieldset>
    <legend class="hidden">Settings</legend>
    <label>Style or caption type
      <select
        value=${settings.kind}
        disabled=${hasPrompt}
        onChange=${(event) => set("kind", event.target.value)}
      >
        <optgroup label="Styles">
          ${Object.keys(styles)
            .filter((name) => !own_styles.includes(name))
            .map((name) => html`<option value=${`style:${name}`}>${name}</option>`)}
        </optgroup>
        ${own_styles.length > 0 &&
        html`<optgroup label="Your styles">
          ${own_styles.map((name) => html`<option value=${`style:${name}`}>${name}</option>`)}
        </optgroup>`}
        <optgroup label="Caption types">
          ${caption_types.map((name) => html`<option value=${`type:${name}`}>${name}</option>`)}
        </optgroup>
      </select>
    </label>
    <div class="row">
      <label>Length
        <select
          value=${settings.length}
          disabled=${hasPrompt || !isType}
          onChange=${(event) => set("length", event.target.value)}
        >
          ${lengths.map((name) => html`<option value=${name}>${name}</option>`)}
          <option value="words">number of words</option>
        </select>
      </label>
      ${settings.length === "words" &&
      html`<label>Words
        <input
          type="number"
          min="1"
          step="1"
          value=${settings.words}
          onInput=${(event) => set("words", event.target.value)}
        />
      </label>`}
    </div>
    <details>
      <summary>Options${settings.options.length > 0 && ` (${settings.options.length})`}</summary>
      ${options.map(
        (option) => html`<label class="check">
          <input
            type="checkbox"
            disabled=${hasPrompt}
            checked=${settings.options.includes(option)}
            onChange=${(event) => toggle(option, event.target.checked)}
          />
          ${option}
        </label>`,
      )}
      <label>Name that stands for {name}
        <input
          value=${settings.name}
          disabled=${hasPrompt}
          onInput=${(event) => set("name", event.target.value)}
        />
      </label>
    </details>
    <details>
      <summary>Your own prompt${hasPrompt && " (in use)"}</summary>
      <label>Prompt, in place of all above
        <textarea rows="3" value=${settings.prompt} onInput=${(event) => set("prompt", event.target.value)} />
      </label>
    </details>
    <details>
      <summary>Sampling</summary>
      <div class="grid">
        ${number("temperature", "Temperature", own.temperature ?? defaults.temperature, "0.1")}
        ${number("top_p", "Top p", own.top_p ?? defaults.top_p, "0.05")}
        ${number("top_k", "Top k", (own.top_k ?? defaults.top_k) || "all", "1")}
        ${number("max_tokens", "Most tokens", own.max_tokens ?? maxTokens, "1")}
        ${number("seed", "Seed", "random", "1")}
      </div>
    </details>
  </fieldset>`;
}
