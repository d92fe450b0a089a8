// The map of a case: an outline of the world from this server alone, and the places of the list.
const place = document.getElementById("map");
const items = [...document.querySelectorAll("[data-latitude]")];
if (place && items.length) {
  const { L, topojson } = window;
  const colour = (name) => {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const map = L.map(place, { zoomControl: false, worldCopyJump: true, maxZoom: 18,
    zoomAnimation: !still, fadeAnimation: !still });
  map.attributionControl.setPrefix(false).addAttribution("Natural Earth");
  L.control.zoom({ zoomInTitle: place.dataset.in, zoomOutTitle: place.dataset.out }).addTo(map);
  L.control.scale().addTo(map);
  const points = items.map((item) => {
    const at = [Number(item.dataset.latitude), Number(item.dataset.longitude)];
    const doubted = "doubted" in item.dataset;
    const ink = colour(doubted ? "--soft" : "--accent");
    const options = { color: ink, weight: 2, fillOpacity: 0.25, dashArray: doubted ? "4 4" : null };
    L.circle(at, { ...options, radius: Number(item.dataset.radius) }).addTo(map);
    const text = document.createElement("div");
    for (const child of item.childNodes) text.append(child.cloneNode(true));
    L.circleMarker(at, { ...options, radius: 7 }).addTo(map).bindPopup(text);
    return at;
  });
  map.fitBounds(L.latLngBounds(points).pad(0.3), { maxZoom: 12 });
  const world = await (await fetch("/static/vendor/countries-50m.json")).json();
  L.geoJSON(topojson.feature(world, world.objects.countries), { interactive: false,
    style: { color: colour("--soft"), weight: 1, fillColor: colour("--raised"), fillOpacity: 1 } })
    .addTo(map).bringToBack();
  place.dataset.ready = "yes";
}
