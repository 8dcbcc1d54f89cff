import { ask } from "/page/api.js";
import { Datasets } from "/page/datasets.js";
import { EngineLine, follow, isLockedOut } from "/page/engine.js";
import { html } from "/page/html.js";
import { Review } from "/page/review.js";
import { Try } from "/page/try.js";
import { render } from "/page/vendor/preact.js";
import { signal } from "/page/vendor/signals.js";

const VIEWS = { try: Try, datasets: Datasets, review: Review };

function viewOf(hash) {
  const name = hash.slice(1).split("=")[0];
  return Object.hasOwn(VIEWS, name) ? name : "try";
}

const view = signal(viewOf(location.hash));
window.addEventListener("hashchange", () => (view.value = viewOf(location.hash)));
const doorProblem = signal("");

async function enter(secret) {
  try {
    await ask("/session", { secret });
    isLockedOut.value = false;
    doorProblem.value = "";
    follow();
  } catch (error) {
    isLockedOut.value = true;
    doorProblem.value = error.message;
  }
}

function Door() {
  const submit = (event) => {
    event.preventDefault();
    enter(new FormData(event.target).get("secret"));
  };
  return html`<main class="door">
    <h1>JoyCaption</h1>
    <p>Open the link that the service printed when it started; <code>./joycaption page</code> prints it again.</p>
    <form onSubmit=${submit}>
      <label>Or paste the link's token, or the service's key
        <input name="secret" type="password" autocomplete="off" required />
      </label>
      <button class="main">Open the page</button>
    </form>
    <p class="problem" role="alert">${doorProblem.value}</p>
  </main>`;
}

function Page() {
  if (isLockedOut.value) return html`<${Door} />`;
  const tab = (name, title) => html`<a
    href=${`#${name}`}
    aria-current=${view.value === name ? "page" : undefined}
    onClick=${() => (view.value = name)}
    >${title}</a
  >`;
  return html`<header>
      <h1>JoyCaption</h1>
      <nav aria-label="Views">${tab("try", "Try")} ${tab("datasets", "Datasets")} ${tab("review", "Review")}</nav>
      <${EngineLine} />
    </header>
    <main><${VIEWS[view.value]} /></main>`;
}

// The link holds the token behind a #, which no browser sends to anybody.
const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) {
  history.replaceState(null, "", location.pathname);
  enter(token);
} else {
  follow();
}
const root = document.getElementById("page");
root.replaceChildren();
render(html`<${Page} />`, root);
