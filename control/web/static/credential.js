// Counts down to the end of a credential, and puts a button beside what one wants to copy.
for (const timer of document.querySelectorAll("[data-until]")) {
  const until = Date.parse(timer.dataset.until);
  const show = () => {
    const left = Math.max(0, Math.round((until - Date.now()) / 1000));
    const minutes = Math.floor(left / 60), seconds = String(left % 60).padStart(2, "0");
    timer.textContent = left ? ` (${minutes}:${seconds} left)` : " (it is over)";
    if (!left) clearInterval(ticking);
  };
  const ticking = setInterval(show, 1000);
  show();
}
for (const text of document.querySelectorAll("[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  button.textContent = "copy";
  button.setAttribute("aria-label", `Copy ${text.closest("dd")?.previousElementSibling?.textContent ?? ""}`);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "copied";
  });
  text.after(" ", button);
}
