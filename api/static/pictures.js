// Veiled pictures: shown when somebody asks, one page at a time; the link does it without scripts.
for (const link of document.querySelectorAll("[data-unveil]")) {
  link.setAttribute("role", "button");
  const show = (event) => {
    event.preventDefault();
    document.querySelectorAll(".veiled").forEach((one) => one.classList.remove("veiled"));
    link.closest(".unveil").hidden = true;
    const first = document.querySelector(".pictures");
    first?.setAttribute("tabindex", "-1");
    first?.focus();
  };
  link.addEventListener("click", show);
  link.addEventListener("keydown", (event) => event.key === " " && show(event));
}
