// Passkeys: the browser makes and asks for them only when a script says so.
const csrf = document.querySelector('meta[name="csrf"]')?.content ?? "";

async function ask(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-csrf-token": csrf, accept: "application/json" },
    body: JSON.stringify(body ?? {}),
  });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `refused (${answer.status})`);
  return answer.json();
}

async function add(form) {
  const options = PublicKeyCredential.parseCreationOptionsFromJSON(await ask("/profile/passkeys/options"));
  const made = await navigator.credentials.create({ publicKey: options });
  return ask("/profile/passkeys", { name: form.elements.name.value, credential: made.toJSON() });
}

async function logIn(form) {
  const options = PublicKeyCredential.parseRequestOptionsFromJSON(await ask("/login/passkey/options"));
  const answer = await navigator.credentials.get({ publicKey: options });
  return ask("/login/passkey", { next: form.elements.next.value, credential: answer.toJSON() });
}

if (window.PublicKeyCredential?.parseCreationOptionsFromJSON) {
  for (const form of document.querySelectorAll("[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const told = form.querySelector("[role=status]");
      told.textContent = "";
      try {
        location.assign((await (form.dataset.passkey === "add" ? add : logIn)(form)).to);
      } catch (error) {
        told.textContent = error.name === "NotAllowedError" ? "That was not done." : error.message;
      }
    });
  }
}
