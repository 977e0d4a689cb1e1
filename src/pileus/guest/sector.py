"""A whole operating system in one sector, so that real QEMU runs a real guest at once: for drills and tests.

It prints a line on the serial console, echoes what it reads there, powers off on `!` or when its power button is
pressed, resets on `~`, and tells of a panic on `^`.
"""

GREETING = "the sector is up"

CODE = bytes.fromhex(
    "31c08ed8"  # xor ax,ax; mov ds,ax
    "be807c"  # mov si,text
    "ac84c07406"  # next: lodsb; test al,al; jz ready
    "baf803eeebf5"  # mov dx,3f8h; out dx,al; jmp next
    "ba0206b80001ef"  # ready: mov dx,602h; mov ax,100h; out dx,ax   (ACPI: tell of the power button)
    "fbf4"  # idle: sti; hlt
    "ba0006edf6c4017407"  # mov dx,600h; in ax,dx; test ah,1; jz serial
    "ba0406b80020ef"  # off: mov dx,604h; mov ax,2000h; out dx,ax   (ACPI: S5)
    "bafd03eca80174e7"  # serial: mov dx,3fdh; in al,dx; test al,1; jz idle
    "baf803ecee"  # mov dx,3f8h; in al,dx; out dx,al
    "3c2174e8"  # cmp al,'!'; je off
    "3c7e7506"  # cmp al,'~'; jne panic
    "b0fee664ebd4"  # mov al,0feh; out 64h,al; jmp idle
    "3c5e75e1"  # panic: cmp al,'^'; jne serial
    "ba0505b001eeebc8"  # mov dx,505h; mov al,1; out dx,al; jmp idle   (pvpanic: it panicked)
)
LISTENS = bytes.fromhex("ba0206b80001ef")
IS_DEAF = bytes.fromhex("ba0206b80000ef")
TEXT_AT = 0x80


def boot_sector(*, hears_button: bool = True) -> bytes:
    """The bytes of a raw disk."""
    code = CODE if hears_button else CODE.replace(LISTENS, IS_DEAF)
    sector = code.ljust(TEXT_AT, b"\0") + GREETING.encode() + b"\r\n\0"
    return (sector.ljust(510, b"\0") + b"\x55\xaa").ljust(2**20, b"\0")
