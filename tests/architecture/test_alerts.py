"""The alarms for Prometheus: understood by it, about metrics that exist, and explained."""

import re
import subprocess
from pathlib import Path

import pytest
from peers.needed import program

from proxyd.metrics import Metrics
from recorder.spool import ALARM_PERCENT, WARN_PERCENT

ROOT = Path(__file__).parents[2]
RULES = ROOT / "systemd/prometheus/alerts.yml"
TEXT = RULES.read_text(encoding="utf-8")
ALARMS = re.findall(r"- alert: (\w+)", TEXT)

BEHAVIOUR = """\
rule_files: [{rules}]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:
      - series: 'proxyd_oldest_unshipped_chunk_seconds{{instance="dmz"}}'
        values: '0+15x20'
      - series: 'proxyd_recordings_lost_total{{instance="dmz"}}'
        values: '0x8 1x12'
      - series: 'proxyd_spool_disk_used_ratio{{instance="dmz"}}'
        values: '0.5x8 0.91x12'
    alert_rule_test:
      - {{eval_time: 1m, alertname: ProxydRecordingsNotStored, exp_alerts: []}}
      - eval_time: 2m
        alertname: ProxydRecordingsNotStored
        exp_alerts: [{{exp_labels: {{severity: critical, instance: dmz}}, exp_annotations:
          {{summary: 'dmz has kept a recording for 2m 0s that storage does not take'}}}}]
      - {{eval_time: 1m, alertname: ProxydRecordingLost, exp_alerts: []}}
      - eval_time: 3m
        alertname: ProxydRecordingLost
        exp_alerts: [{{exp_labels: {{severity: critical, instance: dmz}}, exp_annotations:
          {{summary: 'dmz: a recording stopped or has a gap'}}}}]
      - {{eval_time: 1m, alertname: ProxydDiskNearlyFull, exp_alerts: []}}
      - eval_time: 3m
        alertname: ProxydDiskNearlyFull
        exp_alerts: [{{exp_labels: {{severity: critical, instance: dmz}}, exp_annotations:
          {{summary: 'dmz: 91% used; from 95 % on new sessions are refused'}}}}]
"""


def test_there_are_alarms() -> None:
    assert len(ALARMS) > 5
    assert f">= 0.{WARN_PERCENT // 10}" in TEXT
    assert f">= 0.{ALARM_PERCENT // 10}" in TEXT


@pytest.mark.parametrize("name", sorted(set(re.findall(r"proxyd_\w+", TEXT))))
def test_an_alarm_is_about_a_metric_that_exists(name: str) -> None:
    assert f"# HELP {name} ".encode() in Metrics().exposition()


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_is_explained(alarm: str) -> None:
    assert f"| `{alarm}` |" in (ROOT / "docs/operations.md").read_text(encoding="utf-8")


@pytest.mark.peers
def test_prometheus_takes_the_rules_and_rings_when_it_should(tmp_path: Path) -> None:
    promtool = program("promtool")
    behaviour = tmp_path / "behaviour.yml"
    behaviour.write_text(BEHAVIOUR.format(rules=RULES))
    for words in (("check", "rules", RULES), ("test", "rules", behaviour)):
        done = subprocess.run([promtool, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.peers
def test_prometheus_understands_what_is_shown_to_it() -> None:
    checked = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=Metrics().exposition(),
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
