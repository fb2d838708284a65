"""Ready command lines for a proxy credential. The password is never in one: others see argv."""

from recorder.session_info import TargetProtocol


def command_lines(
    protocol: TargetProtocol, username: str, host: str, port: int
) -> dict[str, str]:
    """Return a command line for each client that speaks the protocol.

    Port 0, which is yet to be chosen, becomes the word PORT.
    """
    shown = str(port) if port else "PORT"
    return (_rdp if protocol is TargetProtocol.RDP else _ssh)(username, host, shown)


def _ssh(username: str, host: str, port: str) -> dict[str, str]:
    return {
        "openssh": f"ssh -p {port} {username}@{host}",
        "putty": f"putty -ssh -P {port} {username}@{host}",
        "plink": f"plink -ssh -P {port} -l {username} {host}",
        "scp": f"scp -P {port} FILE {username}@{_bracketed(host)}:",
        "sftp": f"sftp -P {port} {username}@{_bracketed(host)}",
        "winscp": f"winscp sftp://{username}@{_bracketed(host)}:{port}/",
    }


def _rdp(username: str, host: str, port: str) -> dict[str, str]:
    address = f"{_bracketed(host)}:{port}"
    return {
        "mstsc": f"mstsc /v:{address}",
        "xfreerdp": f"xfreerdp /v:{address} /u:{username}",
    }


def _bracketed(host: str) -> str:
    # An IPv6 address stands in brackets where a colon follows it.
    return f"[{host}]" if ":" in host else host
