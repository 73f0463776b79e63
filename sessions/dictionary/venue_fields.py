"""
The FIX fields that the venue's dictionaries name: number, name, type and enumeration in each version.

Facts of the FIX standard, written down for `rules_of_engagement`. A line is a tag, its name and its type; an older
version's own name or type stands in that version's table. Where a value of an enumeration came with a later version, or
left with one, the version's list says which values it has.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

FIX42: Final = "FIX42"
FIX44: Final = "FIX44"
FIXT11: Final = "FIXT11"
FIX50SP2: Final = "FIX50SP2"

HIGHEST_TAGS: Final[Mapping[str, int]] = {FIX42: 446, FIX44: 956, FIXT11: 1409, FIX50SP2: 2964}
"""The last tag that the standard defines, its later extension packs included, below the user-defined ones."""

_SINGLE: Final = "6 7 B C E J K L M N P Q R S T Z a b c d e f g h i k l m"
_SINCE_44: Final = (
    "n o p q r s t u v w x y z AA AB AC AD AE AF AG AH AI AJ AK AL AM AN AO AP AQ AR AS AT AU AV AW AX AY AZ BA BB BC "
    "BD BE BF BG BH"
)
_SINCE_50: Final = (
    "BI BJ BK BL BM BN BO BP BQ BR BS BT BU BV BW BX BY BZ CA CB CC CD CE CF CG CH CI CJ CK CL CM CN CO CQ CR CS CT CU "
    "CV CW CX CY CZ DA DB DC DD DE DF DG DH DI DJ DK DL DM DN DO DP DQ DR DS DT DU DV DW DX DY DZ EA EB"
)
UNSPOKEN: Final[Mapping[str, str]] = {
    FIX42: _SINGLE,
    FIX44: f"{_SINGLE} {_SINCE_44}",
    FIXT11: "n",
    FIX50SP2: f"{_SINGLE} {_SINCE_44} {_SINCE_50}".replace(" n ", " "),
}
"""Message types of the standard that the venue does not speak."""

_FIELDS: Final = """
1 Account STRING
6 AvgPx PRICE
7 BeginSeqNo SEQNUM
8 BeginString STRING
9 BodyLength LENGTH
10 CheckSum STRING
11 ClOrdID STRING
14 CumQty QTY
15 Currency CURRENCY
16 EndSeqNo SEQNUM
17 ExecID STRING
18 ExecInst MULTIPLECHARVALUE
20 ExecTransType CHAR
21 HandlInst CHAR
22 SecurityIDSource STRING
31 LastPx PRICE
32 LastQty QTY
34 MsgSeqNum SEQNUM
35 MsgType STRING
36 NewSeqNo SEQNUM
37 OrderID STRING
38 OrderQty QTY
39 OrdStatus CHAR
40 OrdType CHAR
41 OrigClOrdID STRING
43 PossDupFlag BOOLEAN
44 Price PRICE
45 RefSeqNum SEQNUM
47 Rule80A CHAR
48 SecurityID STRING
49 SenderCompID STRING
50 SenderSubID STRING
52 SendingTime UTCTIMESTAMP
54 Side CHAR
55 Symbol STRING
56 TargetCompID STRING
57 TargetSubID STRING
58 Text STRING
59 TimeInForce CHAR
60 TransactTime UTCTIMESTAMP
63 SettlType STRING
76 ExecBroker STRING
77 PositionEffect CHAR
81 ProcessCode CHAR
83 RptSeq INT
89 Signature DATA
90 SecureDataLen LENGTH
91 SecureData DATA
93 SignatureLength LENGTH
95 RawDataLength LENGTH
96 RawData DATA
97 PossResend BOOLEAN
98 EncryptMethod INT
99 StopPx PRICE
100 ExDestination EXCHANGE
102 CxlRejReason INT
103 OrdRejReason INT
106 Issuer STRING
107 SecurityDesc STRING
108 HeartBtInt INT
109 ClientID STRING
110 MinQty QTY
111 MaxFloor QTY
112 TestReqID STRING
114 LocateReqd BOOLEAN
115 OnBehalfOfCompID STRING
116 OnBehalfOfSubID STRING
121 ForexReq BOOLEAN
122 OrigSendingTime UTCTIMESTAMP
123 GapFillFlag BOOLEAN
126 ExpireTime UTCTIMESTAMP
128 DeliverToCompID STRING
129 DeliverToSubID STRING
141 ResetSeqNumFlag BOOLEAN
142 SenderLocationID STRING
143 TargetLocationID STRING
144 OnBehalfOfLocationID STRING
145 DeliverToLocationID STRING
146 NoRelatedSym NUMINGROUP
150 ExecType CHAR
151 LeavesQty QTY
167 SecurityType STRING
168 EffectiveTime UTCTIMESTAMP
204 CustomerOrFirm INT
207 SecurityExchange EXCHANGE
210 MaxShow QTY
212 XmlDataLen LENGTH
213 XmlData DATA
262 MDReqID STRING
263 SubscriptionRequestType CHAR
264 MarketDepth INT
265 MDUpdateType INT
266 AggregatedBook BOOLEAN
267 NoMDEntryTypes NUMINGROUP
268 NoMDEntries NUMINGROUP
269 MDEntryType CHAR
270 MDEntryPx PRICE
271 MDEntrySize QTY
272 MDEntryDate UTCDATEONLY
273 MDEntryTime UTCTIMEONLY
279 MDUpdateAction CHAR
281 MDReqRejReason CHAR
346 NumberOfOrders INT
347 MessageEncoding STRING
354 EncodedTextLen LENGTH
355 EncodedText DATA
369 LastMsgSeqNumProcessed SEQNUM
370 OnBehalfOfSendingTime UTCTIMESTAMP
371 RefTagID INT
372 RefMsgType STRING
373 SessionRejectReason INT
376 ComplianceID STRING
377 SolicitedFlag BOOLEAN
379 BusinessRejectRefID STRING
380 BusinessRejectReason INT
383 MaxMessageSize LENGTH
384 NoMsgTypes NUMINGROUP
385 MsgDirection CHAR
423 PriceType INT
432 ExpireDate LOCALMKTDATE
434 CxlRejResponseTo CHAR
439 ClearingFirm STRING
440 ClearingAccount STRING
447 PartyIDSource CHAR
448 PartyID STRING
452 PartyRole INT
453 NoPartyIDs NUMINGROUP
460 Product INT
461 CFICode STRING
464 TestMessageIndicator BOOLEAN
523 PartySubID STRING
526 SecondaryClOrdID STRING
527 SecondaryExecID STRING
528 OrderCapacity CHAR
529 OrderRestrictions MULTIPLECHARVALUE
553 Username STRING
554 Password STRING
581 AccountType INT
582 CustOrderCapacity INT
583 ClOrdLinkID STRING
627 NoHops NUMINGROUP
628 HopCompID STRING
629 HopSendingTime UTCTIMESTAMP
630 HopRefID SEQNUM
660 AcctIDSource INT
779 LastUpdateTime UTCTIMESTAMP
789 NextExpectedMsgSeqNum SEQNUM
790 OrdStatusReqID STRING
802 NoPartySubIDs NUMINGROUP
803 PartySubIDType INT
851 LastLiquidityInd INT
854 QtyType INT
880 TrdMatchID STRING
925 NewPassword STRING
1003 TradeID STRING
1028 ManualOrderIndicator BOOLEAN
1029 CustDirectedOrder BOOLEAN
1030 ReceivedDeptID STRING
1031 CustOrderHandlingInst MULTIPLESTRINGVALUE
1032 OrderHandlingInstSource INT
1057 AggressorIndicator BOOLEAN
1128 ApplVerID STRING
1129 CstmApplVerID STRING
1130 RefApplVerID STRING
1131 RefCstmApplVerID STRING
1133 ExDestinationIDSource CHAR
1137 DefaultApplVerID STRING
1138 DisplayQty QTY
1156 ApplExtID INT
1400 EncryptedPasswordMethod INT
1401 EncryptedPasswordLen LENGTH
1402 EncryptedPassword DATA
1403 EncryptedNewPasswordLen LENGTH
1404 EncryptedNewPassword DATA
1406 RefApplExtID INT
1407 DefaultApplExtID INT
1408 DefaultCstmApplVerID STRING
1409 SessionStatus INT
1724 OrderOrigination INT
1725 OriginatingDeptID STRING
1726 ReceivingDeptID STRING
1815 TradingCapacity INT
2376 PartyRoleQualifier INT
2404 ComplianceText STRING
2422 OrderRequestID INT
2446 AggressorSide CHAR
2593 NoOrderAttributes NUMINGROUP
2594 OrderAttributeType INT
2595 OrderAttributeValue STRING
"""

_OLDER: Final = {
    FIX42: """
    7 BeginSeqNo INT
    9 BodyLength INT
    16 EndSeqNo INT
    18 ExecInst MULTIPLEVALUESTRING
    22 IDSource STRING
    32 LastShares QTY
    34 MsgSeqNum INT
    36 NewSeqNo INT
    45 RefSeqNum INT
    63 SettlmntTyp CHAR
    77 OpenClose CHAR
    146 NoRelatedSym INT
    267 NoMDEntryTypes INT
    268 NoMDEntries INT
    272 MDEntryDate UTCDATE
    369 LastMsgSeqNumProcessed INT
    383 MaxMessageSize INT
    384 NoMsgTypes INT
    """,
    FIX44: """
    18 ExecInst MULTIPLEVALUESTRING
    63 SettlType CHAR
    529 OrderRestrictions MULTIPLEVALUESTRING
    """,
}

_ADDED: Final[Mapping[str, frozenset[int]]] = {FIX42: frozenset((553, 554, 789)), FIX44: frozenset()}
"""Fields of a later version that the venue uses in this one as well, to log on with."""

_RETIRED: Final = frozenset((20, 47, 76, 109, 204, 370, 439, 440))
"""Fields that ended with FIX 4.2."""

_VALUES: Final[Mapping[int, str]] = {
    20: "0=NEW 1=CANCEL 2=CORRECT 3=STATUS",
    21: "1=AUTOMATED_NO_INTERVENTION 2=AUTOMATED_INTERVENTION_OK 3=MANUAL",
    39: (
        "0=NEW 1=PARTIALLY_FILLED 2=FILLED 3=DONE_FOR_DAY 4=CANCELED 5=REPLACED 6=PENDING_CANCEL 7=STOPPED 8=REJECTED "
        "9=SUSPENDED A=PENDING_NEW B=CALCULATED C=EXPIRED D=ACCEPTED_FOR_BIDDING E=PENDING_REPLACE"
    ),
    40: (
        "1=MARKET 2=LIMIT 3=STOP 4=STOP_LIMIT 5=MARKET_ON_CLOSE 6=WITH_OR_WITHOUT 7=LIMIT_OR_BETTER "
        "8=LIMIT_WITH_OR_WITHOUT 9=ON_BASIS A=ON_CLOSE B=LIMIT_ON_CLOSE C=FOREX_MARKET D=PREVIOUSLY_QUOTED "
        "E=PREVIOUSLY_INDICATED F=FOREX_LIMIT G=FOREX_SWAP H=FOREX_PREVIOUSLY_QUOTED I=FUNARI J=MARKET_IF_TOUCHED "
        "K=MARKET_WITH_LEFT_OVER_AS_LIMIT L=PREVIOUS_FUND_VALUATION_POINT M=NEXT_FUND_VALUATION_POINT P=PEGGED "
        "Q=COUNTER_ORDER_SELECTION R=STOP_ON_BID_OR_OFFER S=STOP_LIMIT_ON_BID_OR_OFFER"
    ),
    54: (
        "1=BUY 2=SELL 3=BUY_MINUS 4=SELL_PLUS 5=SELL_SHORT 6=SELL_SHORT_EXEMPT 7=UNDISCLOSED 8=CROSS 9=CROSS_SHORT "
        "A=CROSS_SHORT_EXEMPT B=AS_DEFINED C=OPPOSITE D=SUBSCRIBE E=REDEEM F=LEND G=BORROW H=SELL_UNDISCLOSED"
    ),
    59: (
        "0=DAY 1=GOOD_TILL_CANCEL 2=AT_THE_OPENING 3=IMMEDIATE_OR_CANCEL 4=FILL_OR_KILL 5=GOOD_TILL_CROSSING "
        "6=GOOD_TILL_DATE 7=AT_THE_CLOSE 8=GOOD_THROUGH_CROSSING 9=AT_CROSSING A=GOOD_FOR_TIME B=GOOD_FOR_AUCTION "
        "C=GOOD_FOR_MONTH"
    ),
    98: "0=NONE 1=PKCS 2=DES 3=PKCS_DES 4=PGP_DES 5=PGP_DES_MD5 6=PEM_DES_MD5",
    150: (
        "0=NEW 1=PARTIAL_FILL 2=FILL 3=DONE_FOR_DAY 4=CANCELED 5=REPLACED 6=PENDING_CANCEL 7=STOPPED 8=REJECTED "
        "9=SUSPENDED A=PENDING_NEW B=CALCULATED C=EXPIRED D=RESTATED E=PENDING_REPLACE F=TRADE G=TRADE_CORRECT "
        "H=TRADE_CANCEL I=ORDER_STATUS J=TRADE_IN_CLEARING_HOLD K=TRADE_RELEASED_TO_CLEARING L=TRIGGERED M=LOCKED "
        "N=RELEASED"
    ),
    263: "0=SNAPSHOT 1=SNAPSHOT_AND_UPDATES 2=UNSUBSCRIBE",
    265: "0=FULL_REFRESH 1=INCREMENTAL_REFRESH",
    269: (
        "0=BID 1=OFFER 2=TRADE 3=INDEX_VALUE 4=OPENING_PRICE 5=CLOSING_PRICE 6=SETTLEMENT_PRICE 7=SESSION_HIGH "
        "8=SESSION_LOW 9=VWAP A=IMBALANCE B=TRADE_VOLUME C=OPEN_INTEREST D=COMPOSITE_UNDERLYING_PRICE E=SIMULATED_SELL "
        "F=SIMULATED_BUY G=MARGIN_RATE H=MID_PRICE J=EMPTY_BOOK K=SETTLE_HIGH L=SETTLE_LOW M=PRIOR_SETTLE "
        "N=SESSION_HIGH_BID O=SESSION_LOW_OFFER P=EARLY_PRICES Q=AUCTION_CLEARING R=DAILY_ADJUSTMENT_LONG "
        "S=SWAP_VALUE_FACTOR T=CUMULATIVE_ADJUSTMENT_LONG U=DAILY_ADJUSTMENT_SHORT V=CUMULATIVE_ADJUSTMENT_SHORT "
        "W=FIXING_PRICE X=CASH_RATE Y=RECOVERY_RATE Z=RECOVERY_RATE_LONG a=RECOVERY_RATE_SHORT b=MARKET_BID "
        "c=MARKET_OFFER d=SHORT_SALE_MINIMUM e=PREVIOUS_CLOSE g=PRICE_BANDING_THRESHOLD h=DAILY_FINANCING "
        "i=ACCRUED_FINANCING t=TWAP"
    ),
    279: "0=NEW 1=CHANGE 2=DELETE 3=DELETE_THRU 4=DELETE_FROM 5=OVERLAY",
    385: "R=RECEIVE S=SEND",
    434: "1=ORDER_CANCEL_REQUEST 2=ORDER_CANCEL_REPLACE_REQUEST",
}

_VALUES_OF: Final[Mapping[str, Mapping[int, str]]] = {
    FIX42: {
        40: "123456789ABCDEFGHIP",
        54: "123456789",
        59: "0123456",
        150: "0123456789ABCDE",
        269: "0123456789",
        279: "012",
    },
    FIX44: {
        39: "012346789ABCDE",
        40: "12346789DEGIJKLMP",
        54: "123456789ABCDEFG",
        59: "01234567",
        150: "03456789ABCDEFGHI",
        269: "0123456789ABC",
        279: "012",
    },
    FIX50SP2: {150: "03456789ABCDEFGHIJKLMN"},
}


class VersionField(NamedTuple):
    """A field as one version defines it."""

    name: str
    type: str
    values: dict[str, str]  # value -> its name; empty: no enumeration


def exists(version: str, tag: int) -> bool:
    """Whether a field is in this version, or added to it by the venue."""
    if tag in _ADDED.get(version, ()):
        return True
    return tag <= HIGHEST_TAGS[version] and (version == FIX42 or tag not in _RETIRED)


def field(version: str, tag: int) -> VersionField:
    """The field of this number; raises KeyError if no table has it."""
    older = _lines(_OLDER.get(version, ""))
    name, type_name = older.get(tag) or _NEWEST[tag]
    values = dict(word.split("=") for word in _VALUES.get(tag, "").split())
    only = _VALUES_OF.get(version, {}).get(tag)
    return VersionField(name, type_name, {value: values[value] for value in only} if only else values)


def _lines(table: str) -> dict[int, tuple[str, str]]:
    lines = (line.split() for line in table.splitlines() if line.strip())
    return {int(tag): (name, type_name) for tag, name, type_name in lines}


_NEWEST: Final = _lines(_FIELDS)
