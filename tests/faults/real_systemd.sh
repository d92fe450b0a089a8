#!/bin/bash
# What tests.faults.real_systemd runs inside: the handbook's first chapter, by a systemd that is PID 1.
set -euo pipefail
exec >/result/log 2>&1
trap 'code=$?; journalctl -b --no-pager -u "evidence-*" >/result/journal 2>&1 || true; echo "$code" >/result/code; systemctl poweroff --no-block' EXIT
say() { echo "ok    $*" | tee -a /result/said; }
as() { user=$1; shift; (cd /tmp && runuser -u "$user" -- env EVIDENCE_DATA=/var/lib/evidence "$@"); }
until_true() { for _ in $(seq 60); do "$@" >/dev/null 2>&1 && return; sleep 0.5; done; echo "never: $*"; return 1; }
evidence=/opt/evidence/bin/evidence

useradd --system --home-dir /var/lib/evidence evidence && install -d -m 0700 -o evidence /var/lib/evidence /etc/evidence/tls
useradd --system --home-dir /var/lib/evidence-witness evidence-witness
cp /deploy/systemd/evidence-* /etc/systemd/system/ && systemctl daemon-reload
as evidence $evidence init
as evidence $evidence case new KRN --title "The bridge"

systemctl enable --now evidence-serve
until_true curl -sf http://127.0.0.1:8080/readyz
say "evidence-serve answers"
mkdir /etc/systemd/system/evidence-worker.service.d
cp /deploy/systemd/one-machine.conf /etc/systemd/system/evidence-worker.service.d/ && systemctl daemon-reload
systemctl enable --now evidence-worker
systemctl is-active evidence-worker
say "evidence-worker runs without a network"

as evidence $evidence --json invite evidence --url http://127.0.0.1:8080/ --case KRN | /usr/bin/python3.11 -c 'import json,sys; print(json.load(sys.stdin)["invitation"])' >/tmp/invitation
mkdir /tmp/in && cp /in/* /tmp/in/
$evidence ingest /tmp/in --to /tmp/invitation --state /tmp/state --patience 120s
looked_at() { as evidence $evidence --json list --case KRN | /usr/bin/python3.11 -c '
import json, sys
rows = [json.loads(line) for line in sys.stdin]
said = {row.get("extraction") for row in rows}
assert rows and not said & {None, "refused"}, said
print(sorted(said))'; }
until_true looked_at
say "$(ls /tmp/in | wc -l) files handed in through the service; extraction: $(looked_at)"

main=$(systemctl show -p MainPID --value evidence-serve)
kill -9 "$main"
until_true sh -c "[ \$(systemctl show -p MainPID --value evidence-serve) != $main ] && curl -sf http://127.0.0.1:8080/readyz"
say "killed, evidence-serve is started again by systemd"
[ "$(pgrep -f -c 'evidence serve')" -ge 1 ]

as evidence $evidence recovery new --shares 5 --threshold 3 --out /tmp/shares
systemctl start evidence-backup
ls /var/lib/evidence-backups | grep -q .
say "evidence-backup made $(ls /var/lib/evidence-backups | head -1)"
systemctl start evidence-backup.timer
systemctl list-timers --no-pager evidence-backup.timer

install -d -m 0700 -o evidence-witness -g evidence-witness /var/lib/evidence-witness
as evidence-witness $evidence witness --dir /var/lib/evidence-witness init --name court.example/witness
systemctl enable --now evidence-witness
until_true sh -c 'curl -s -o /dev/null -w "%{http_code}" -X POST --data x http://127.0.0.1:8081/add-checkpoint | grep -q 400'
say "evidence-witness answers"

for unit in evidence-serve evidence-worker evidence-witness; do
  began=$(date +%s)
  systemctl stop $unit
  [ "$(systemctl show -p Result --value $unit)" = success ]
  say "$unit stopped by itself within $(($(date +%s) - began + 1)) s"
done
as evidence $evidence verify --objects
say "verify: every entry and object"
if journalctl -b --no-pager | grep -i "audit.*denied\|SECCOMP"; then exit 1; fi
