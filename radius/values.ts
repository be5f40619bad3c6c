/**
 * Values of RADIUS attributes that have a meaning of their own, and the numbers of vendors and of their
 * attributes that carry multicast. From RFC 2865 §5, RFC 2866 §5, RFC 2868 §3, RFC 3580 §3, RFC 5176 §3.6 and
 * the vendors' dictionaries.
 */

/** Service-Type (6), RFC 2865 §5.6 and RFC 5176 §3. */
export const ServiceType = {
  Login: 1,
  Framed: 2,
  AdministrativeUser: 6,
  CallCheck: 10,
  AuthorizeOnly: 17,
} as const;
export type ServiceType = (typeof ServiceType)[keyof typeof ServiceType];

/** Termination-Action (29), RFC 2865 §5.29. */
export const TerminationAction = { Default: 0, RadiusRequest: 1 } as const;
export type TerminationAction = (typeof TerminationAction)[keyof typeof TerminationAction];

/** NAS-Port-Type (61): RFC 3580 §3.31 wants Ethernet on a wired switch. */
export const NasPortType = { Ethernet: 15, Ieee80211: 19 } as const;
export type NasPortType = (typeof NasPortType)[keyof typeof NasPortType];

/** Acct-Status-Type (40), RFC 2866 §5.1 and RFC 2869 §2.1. */
export const AcctStatusType = {
  Start: 1,
  Stop: 2,
  InterimUpdate: 3,
  AccountingOn: 7,
  AccountingOff: 8,
  /** Of a join that was refused; reserved by RFC 2866 §5.1. */
  Failed: 15,
} as const;
export type AcctStatusType = (typeof AcctStatusType)[keyof typeof AcctStatusType];

/** Acct-Authentic (45), RFC 2866 §5.6. */
export const AcctAuthentic = { Radius: 1, Local: 2, Remote: 3 } as const;
export type AcctAuthentic = (typeof AcctAuthentic)[keyof typeof AcctAuthentic];

/** Acct-Terminate-Cause (49), RFC 2866 §5.10; 19 to 22 by RFC 3580 §2.1. */
export const TerminateCause = {
  UserRequest: 1,
  LostCarrier: 2,
  LostService: 3,
  IdleTimeout: 4,
  SessionTimeout: 5,
  AdminReset: 6,
  AdminReboot: 7,
  PortError: 8,
  NasError: 9,
  NasRequest: 10,
  NasReboot: 11,
  PortUnneeded: 12,
  PortPreempted: 13,
  PortSuspended: 14,
  ServiceUnavailable: 15,
  Callback: 16,
  UserError: 17,
  HostRequest: 18,
  SupplicantRestart: 19,
  ReauthenticationFailure: 20,
  PortReinitialized: 21,
  PortAdministrativelyDisabled: 22,
} as const;
export type TerminateCause = (typeof TerminateCause)[keyof typeof TerminateCause];

/** Error-Cause (101), RFC 5176 §3.6. */
export const ErrorCause = {
  ResidualSessionContextRemoved: 201,
  InvalidEapPacket: 202,
  UnsupportedAttribute: 401,
  MissingAttribute: 402,
  NasIdentificationMismatch: 403,
  InvalidRequest: 404,
  UnsupportedService: 405,
  UnsupportedExtension: 406,
  InvalidAttributeValue: 407,
  AdministrativelyProhibited: 501,
  RequestNotRoutable: 502,
  SessionContextNotFound: 503,
  SessionContextNotRemovable: 504,
  OtherProxyProcessingError: 505,
  ResourcesUnavailable: 506,
  RequestInitiated: 507,
  MultipleSessionSelectionUnsupported: 508,
} as const;
export type ErrorCause = (typeof ErrorCause)[keyof typeof ErrorCause];

/** Tunnel-Type (64) and Tunnel-Medium-Type (65) of a VLAN, RFC 3580 §3.31. */
export const TUNNEL_TYPE_VLAN = 13;
export const TUNNEL_MEDIUM_TYPE_IEEE_802 = 6;

/** Private enterprise numbers. */
export const Vendor = { Cisco: 9, Huawei: 2011, Ericsson: 2352, H3c: 25506 } as const;
export type Vendor = (typeof Vendor)[keyof typeof Vendor];

/** Cisco's text attribute `attribute=value`, which servers use towards switches of all makers. */
export const CISCO_AVPAIR = 1;

/** Huawei's attributes about multicast. */
export const HuaweiAttribute = {
  IgmpEnable: 37,
  MulticastProfile: 93,
  MulticastSourceGroup: 97,
  MulticastReceiveGroup: 98,
  UserMulticastType: 99,
} as const;

/** H3C's attributes about multicast: the one pair of the known dictionaries with both address families. */
export const H3cAttribute = {
  Ipv4MulticastReceiveGroup: 98,
  Ipv6MulticastReceiveGroup: 100,
  MldAccessLimit: 101,
  IgmpAccessLimit: 103,
} as const;

/**
 * castgate's own attributes, under the vendor number of the configuration: castgate has none of its own. Texts
 * and integers; README has what they mean.
 */
export const CastgateAttribute = {
  Group: 1,
  Source: 2,
  Vlan: 3,
  Family: 4,
  Right: 5,
  Profile: 6,
  MaxGroups: 7,
  /** In kbit/s. */
  MaxBandwidth: 8,
  Access: 9,
  /** In seconds, but for the count. */
  PreviewLength: 10,
  PreviewInterval: 11,
  PreviewCount: 12,
  PreviewReset: 13,
} as const;

/** The private enterprise number that RFC 5612 keeps for examples. */
export const EXAMPLE_VENDOR = 32473;

/** Ericsson's (Redback's) attributes about multicast. */
export const EricssonAttribute = { McastSend: 33, McastReceive: 34, McastMaxGroups: 35 } as const;
