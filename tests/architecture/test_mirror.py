"""A newcomer finds a module's tests by its path."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("proxyd", "protocols", "recorder", "bus", "config", "storage", "control", "clients")
WITHOUT_BEHAVIOUR = {"__init__", "__main__", "errors", "ports"}

EDGES = {
    "bus/calls.py": "tests/integration/test_bus.py",
    "bus/command_reports.py": "tests/unit/control/test_command_reports.py",
    "bus/command_rules.py": "tests/unit/protocols/ssh/commands/test_rules.py",
    "bus/consumer.py": "tests/integration/test_bus_dead_letters.py",
    "bus/dead_letters.py": "tests/integration/test_bus_dead_letters.py",
    "bus/gaps.py": "tests/integration/test_bus_faults.py",
    "bus/link.py": "tests/integration/test_bus_faults.py",
    "bus/pause.py": "tests/unit/bus/test_codec.py",
    "bus/publisher.py": "tests/integration/test_bus_faults.py",
    "bus/rabbitmq.py": "tests/integration/test_bus.py",
    "bus/rabbitmq_control.py": "tests/integration/test_bus.py",
    "bus/wires.py": "tests/integration/test_bus.py",
    "bus/knock.py": "tests/unit/proxyd/test_neighbours.py",
    "clients/launcher/saying.py": "tests/e2e/test_launcher.py",
    "control/command_operations.py": "tests/unit/control/test_commands.py",
    "control/command_requests.py": "tests/unit/control/test_commands.py",
    "control/file_operations.py": "tests/unit/control/test_file_rules.py",
    "control/file_requests.py": "tests/unit/control/test_file_rules.py",
    "control/audit_export.py": "tests/integration/test_audit_export.py",
    "control/access_operations.py": "tests/unit/control/test_operations.py",
    "control/self_signed.py": "tests/unit/control/test_gateway_certificate.py",
    "control/cut_off.py": "tests/unit/control/test_groups.py",
    "control/directory.py": "tests/e2e/test_directory.py",
    "control/group_operations.py": "tests/unit/control/test_groups.py",
    "control/group_requests.py": "tests/unit/control/test_groups.py",
    "proxyd/cli/group.py": "tests/e2e/test_page.py",
    "storage/group_tables.py": "tests/unit/control/test_groups.py",
    "control/credential_operations.py": "tests/unit/control/test_operations.py",
    "control/approvals.py": "tests/unit/control/test_approval_operations.py",
    "control/launches.py": "tests/unit/control/test_own_account.py",
    "control/own_secrets.py": "tests/unit/control/test_own_account.py",
    "control/live_requests.py": "tests/integration/test_operator_socket.py",
    "control/operator_client.py": "tests/integration/test_operator_socket.py",
    "control/operator_socket.py": "tests/integration/test_operator_socket.py",
    "control/syslog_link.py": "tests/integration/test_audit_export.py",
    "control/web/playback_routes.py": "tests/e2e/test_page_playback.py",
    "control/web/player.py": "tests/unit/proxyd/cli/test_bundle.py",
    "control/web/acting.py": "tests/unit/control/web/test_admin_routes.py",
    "control/web/done.py": "tests/unit/control/web/test_admin_routes.py",
    "control/web/health_routes.py": "tests/unit/control/web/test_app.py",
    "control/web/home_routes.py": "tests/unit/control/web/test_app.py",
    "control/identity_provider.py": "tests/unit/control/web/test_provider_routes.py",
    "control/web/page.py": "tests/unit/control/web/test_app.py",
    "control/web/passkey_routes.py": "tests/e2e/test_page.py",
    "control/web/rendering.py": "tests/unit/control/web/test_app.py",
    "control/web/recording_calls.py": "tests/unit/control/web/test_app.py",
    "control/web/server.py": "tests/e2e/test_page.py",
    "control/web/static_files.py": "tests/e2e/test_page.py",
    "control/web/vault_routes.py": "tests/unit/control/web/test_admin_routes.py",
    "control/web/watch_routes.py": "tests/unit/control/web/test_admin_routes.py",
    "protocols/rdp/dialler.py": "tests/e2e/test_rdp.py",
    "protocols/rdp/gateway.py": "tests/e2e/test_rdp.py",
    "protocols/rdp/leg.py": "tests/e2e/test_rdp.py",
    "protocols/rdp/login.py": "tests/e2e/test_rdp_refusals.py",
    "protocols/rdp/served_session.py": "tests/e2e/test_rdp.py",
    "protocols/ssh/accounts.py": "tests/e2e/test_own_login.py",
    "protocols/ssh/guarded_policy.py": "tests/e2e/test_commands.py",
    "proxyd/cli/secret_commands.py": "tests/e2e/test_commands.py",
    "proxyd/cli/secret_files.py": "tests/e2e/test_file_rules.py",
    "protocols/ssh/launched_leg.py": "tests/e2e/test_terminal.py",
    "protocols/ssh/terminal_desk.py": "tests/e2e/test_terminal.py",
    "protocols/ssh/terminal_screen.py": "tests/e2e/test_terminal.py",
    "protocols/ssh/terminal_session.py": "tests/e2e/test_terminal.py",
    "proxyd/cli/access_requests.py": "tests/e2e/test_launch_approval.py",
    "proxyd/cli/user_keys.py": "tests/e2e/test_own_login.py",
    "storage/access_tables.py": "tests/unit/control/test_user_keys.py",
    "storage/retention_tables.py": "tests/unit/storage/test_retention.py",
    "protocols/ssh/auth.py": "tests/e2e/test_refusals.py",
    "protocols/ssh/channel_relay.py": "tests/e2e/test_policy.py",
    "protocols/ssh/channel_session.py": "tests/e2e/test_clients.py",
    "protocols/ssh/client_leg.py": "tests/e2e/test_hostile_client.py",
    "protocols/ssh/gateway.py": "tests/e2e/test_clients.py",
    "protocols/ssh/legs.py": "tests/e2e/test_clients.py",
    "protocols/ssh/packet_wiring.py": "tests/e2e/test_clients.py",
    "protocols/ssh/served_session.py": "tests/e2e/test_durability.py",
    "proxyd/broker.py": "tests/e2e/test_sites.py",
    "proxyd/consuming.py": "tests/e2e/test_sites.py",
    "proxyd/control_node.py": "tests/e2e/test_sites.py",
    "proxyd/engine_node.py": "tests/e2e/test_sites.py",
    "proxyd/exporter.py": "tests/e2e/test_page_playback.py",
    "proxyd/gateways.py": "tests/e2e/test_rdp.py",
    "proxyd/worker_node.py": "tests/e2e/test_sites.py",
    "proxyd/cli/invocation.py": "tests/unit/proxyd/cli/test_config_command.py",
    "proxyd/cli/bundle_player.py": "tests/unit/proxyd/cli/test_bundle.py",
    "proxyd/cli/pictures.py": "tests/unit/proxyd/cli/test_session_export.py",
    "recorder/replay/rdp/layout_data.py": "tests/unit/recorder/replay/rdp/test_keyboard.py",
    "proxyd/cli/stored.py": "tests/unit/proxyd/cli/test_session_export.py",
}
"""Modules that mean something only with what they meet, and the test that runs them there."""

MODULES = sorted(
    path.relative_to(ROOT)
    for name in OURS
    for path in (ROOT / name).rglob("*.py")
    if path.stem not in WITHOUT_BEHAVIOUR and "migrations" not in path.parts
)


def mirror(module: Path) -> Path:
    return Path("tests/unit", module.parent, f"test_{module.name}")


def test_a_module_has_its_tests_beside_it() -> None:
    wanted = {str(module): EDGES.get(str(module), str(mirror(module))) for module in MODULES}
    assert len(wanted) > 400
    assert not {module: test for module, test in wanted.items() if not (ROOT / test).exists()}


def test_an_exception_to_the_rule_is_still_one() -> None:
    assert not [module for module in EDGES if not (ROOT / module).exists()]
    mirrored = [module for module in EDGES if (ROOT / mirror(Path(module))).exists()]
    assert not mirrored, "they have their mirrors: drop them from EDGES"
