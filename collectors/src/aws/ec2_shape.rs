//! The shape of an EC2 instance: how the wire names each member, how the SDKs do, and its type.
//!
//! Data only. Follows the service model of EC2 2016-11-15 as botocore 1.44.5 has it.

use Kind::{Boolean, Integer, List, Structure, Text, Time};

/// The type of a member.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    Integer,
    Boolean,
    /// RFC 3339 in UTC.
    Time,
    /// `item` elements of a type.
    List(&'static Kind),
    /// Another row of [`SHAPES`].
    Structure(&'static str),
}

/// A structure: its name, and its members by wire name, SDK name and type.
pub(super) type Shape = (&'static str, &'static [(&'static str, &'static str, Kind)]);

/// The instance and everything in it.
#[rustfmt::skip]
pub(super) static SHAPES: &[Shape] = &[
    ("Instance", &[
        ("architecture", "Architecture", Text),
        ("blockDeviceMapping", "BlockDeviceMappings", List(&Structure("InstanceBlockDeviceMapping"))),
        ("clientToken", "ClientToken", Text),
        ("ebsOptimized", "EbsOptimized", Boolean),
        ("enaSupport", "EnaSupport", Boolean),
        ("hypervisor", "Hypervisor", Text),
        ("iamInstanceProfile", "IamInstanceProfile", Structure("IamInstanceProfile")),
        ("instanceLifecycle", "InstanceLifecycle", Text),
        ("elasticGpuAssociationSet", "ElasticGpuAssociations", List(&Structure("ElasticGpuAssociation"))),
        ("elasticInferenceAcceleratorAssociationSet", "ElasticInferenceAcceleratorAssociations", List(&Structure("ElasticInferenceAcceleratorAssociation"))),
        ("networkInterfaceSet", "NetworkInterfaces", List(&Structure("InstanceNetworkInterface"))),
        ("outpostArn", "OutpostArn", Text),
        ("rootDeviceName", "RootDeviceName", Text),
        ("rootDeviceType", "RootDeviceType", Text),
        ("groupSet", "SecurityGroups", List(&Structure("GroupIdentifier"))),
        ("sourceDestCheck", "SourceDestCheck", Boolean),
        ("spotInstanceRequestId", "SpotInstanceRequestId", Text),
        ("sriovNetSupport", "SriovNetSupport", Text),
        ("stateReason", "StateReason", Structure("StateReason")),
        ("tagSet", "Tags", List(&Structure("Tag"))),
        ("virtualizationType", "VirtualizationType", Text),
        ("cpuOptions", "CpuOptions", Structure("CpuOptions")),
        ("capacityBlockId", "CapacityBlockId", Text),
        ("capacityReservationId", "CapacityReservationId", Text),
        ("capacityReservationSpecification", "CapacityReservationSpecification", Structure("CapacityReservationSpecificationResponse")),
        ("hibernationOptions", "HibernationOptions", Structure("HibernationOptions")),
        ("licenseSet", "Licenses", List(&Structure("LicenseConfiguration"))),
        ("metadataOptions", "MetadataOptions", Structure("InstanceMetadataOptionsResponse")),
        ("enclaveOptions", "EnclaveOptions", Structure("EnclaveOptions")),
        ("bootMode", "BootMode", Text),
        ("platformDetails", "PlatformDetails", Text),
        ("usageOperation", "UsageOperation", Text),
        ("usageOperationUpdateTime", "UsageOperationUpdateTime", Time),
        ("privateDnsNameOptions", "PrivateDnsNameOptions", Structure("PrivateDnsNameOptionsResponse")),
        ("ipv6Address", "Ipv6Address", Text),
        ("tpmSupport", "TpmSupport", Text),
        ("maintenanceOptions", "MaintenanceOptions", Structure("InstanceMaintenanceOptions")),
        ("currentInstanceBootMode", "CurrentInstanceBootMode", Text),
        ("networkPerformanceOptions", "NetworkPerformanceOptions", Structure("InstanceNetworkPerformanceOptions")),
        ("operator", "Operator", Structure("OperatorResponse")),
        ("secondaryInterfaceSet", "SecondaryInterfaces", List(&Structure("InstanceSecondaryInterface"))),
        ("instanceId", "InstanceId", Text),
        ("imageId", "ImageId", Text),
        ("instanceState", "State", Structure("InstanceState")),
        ("privateDnsName", "PrivateDnsName", Text),
        ("dnsName", "PublicDnsName", Text),
        ("reason", "StateTransitionReason", Text),
        ("keyName", "KeyName", Text),
        ("amiLaunchIndex", "AmiLaunchIndex", Integer),
        ("productCodes", "ProductCodes", List(&Structure("ProductCode"))),
        ("instanceType", "InstanceType", Text),
        ("launchTime", "LaunchTime", Time),
        ("placement", "Placement", Structure("Placement")),
        ("kernelId", "KernelId", Text),
        ("ramdiskId", "RamdiskId", Text),
        ("platform", "Platform", Text),
        ("monitoring", "Monitoring", Structure("Monitoring")),
        ("subnetId", "SubnetId", Text),
        ("vpcId", "VpcId", Text),
        ("privateIpAddress", "PrivateIpAddress", Text),
        ("ipAddress", "PublicIpAddress", Text),
    ]),
    ("InstanceBlockDeviceMapping", &[
        ("deviceName", "DeviceName", Text),
        ("ebs", "Ebs", Structure("EbsInstanceBlockDevice")),
    ]),
    ("IamInstanceProfile", &[
        ("arn", "Arn", Text),
        ("id", "Id", Text),
    ]),
    ("ElasticGpuAssociation", &[
        ("elasticGpuId", "ElasticGpuId", Text),
        ("elasticGpuAssociationId", "ElasticGpuAssociationId", Text),
        ("elasticGpuAssociationState", "ElasticGpuAssociationState", Text),
        ("elasticGpuAssociationTime", "ElasticGpuAssociationTime", Text),
    ]),
    ("ElasticInferenceAcceleratorAssociation", &[
        ("elasticInferenceAcceleratorArn", "ElasticInferenceAcceleratorArn", Text),
        ("elasticInferenceAcceleratorAssociationId", "ElasticInferenceAcceleratorAssociationId", Text),
        ("elasticInferenceAcceleratorAssociationState", "ElasticInferenceAcceleratorAssociationState", Text),
        ("elasticInferenceAcceleratorAssociationTime", "ElasticInferenceAcceleratorAssociationTime", Time),
    ]),
    ("InstanceNetworkInterface", &[
        ("association", "Association", Structure("InstanceNetworkInterfaceAssociation")),
        ("attachment", "Attachment", Structure("InstanceNetworkInterfaceAttachment")),
        ("description", "Description", Text),
        ("groupSet", "Groups", List(&Structure("GroupIdentifier"))),
        ("ipv6AddressesSet", "Ipv6Addresses", List(&Structure("InstanceIpv6Address"))),
        ("macAddress", "MacAddress", Text),
        ("networkInterfaceId", "NetworkInterfaceId", Text),
        ("ownerId", "OwnerId", Text),
        ("privateDnsName", "PrivateDnsName", Text),
        ("privateIpAddress", "PrivateIpAddress", Text),
        ("privateIpAddressesSet", "PrivateIpAddresses", List(&Structure("InstancePrivateIpAddress"))),
        ("sourceDestCheck", "SourceDestCheck", Boolean),
        ("status", "Status", Text),
        ("subnetId", "SubnetId", Text),
        ("vpcId", "VpcId", Text),
        ("interfaceType", "InterfaceType", Text),
        ("ipv4PrefixSet", "Ipv4Prefixes", List(&Structure("InstanceIpv4Prefix"))),
        ("ipv6PrefixSet", "Ipv6Prefixes", List(&Structure("InstanceIpv6Prefix"))),
        ("connectionTrackingConfiguration", "ConnectionTrackingConfiguration", Structure("ConnectionTrackingSpecificationResponse")),
        ("operator", "Operator", Structure("OperatorResponse")),
    ]),
    ("GroupIdentifier", &[
        ("groupId", "GroupId", Text),
        ("groupName", "GroupName", Text),
    ]),
    ("StateReason", &[
        ("code", "Code", Text),
        ("message", "Message", Text),
    ]),
    ("Tag", &[
        ("key", "Key", Text),
        ("value", "Value", Text),
    ]),
    ("CpuOptions", &[
        ("coreCount", "CoreCount", Integer),
        ("threadsPerCore", "ThreadsPerCore", Integer),
        ("amdSevSnp", "AmdSevSnp", Text),
        ("nestedVirtualization", "NestedVirtualization", Text),
    ]),
    ("CapacityReservationSpecificationResponse", &[
        ("capacityReservationPreference", "CapacityReservationPreference", Text),
        ("capacityReservationTarget", "CapacityReservationTarget", Structure("CapacityReservationTargetResponse")),
    ]),
    ("HibernationOptions", &[
        ("configured", "Configured", Boolean),
    ]),
    ("LicenseConfiguration", &[
        ("licenseConfigurationArn", "LicenseConfigurationArn", Text),
    ]),
    ("InstanceMetadataOptionsResponse", &[
        ("state", "State", Text),
        ("httpTokens", "HttpTokens", Text),
        ("httpPutResponseHopLimit", "HttpPutResponseHopLimit", Integer),
        ("httpEndpoint", "HttpEndpoint", Text),
        ("httpProtocolIpv6", "HttpProtocolIpv6", Text),
        ("instanceMetadataTags", "InstanceMetadataTags", Text),
    ]),
    ("EnclaveOptions", &[
        ("enabled", "Enabled", Boolean),
    ]),
    ("PrivateDnsNameOptionsResponse", &[
        ("hostnameType", "HostnameType", Text),
        ("enableResourceNameDnsARecord", "EnableResourceNameDnsARecord", Boolean),
        ("enableResourceNameDnsAAAARecord", "EnableResourceNameDnsAAAARecord", Boolean),
    ]),
    ("InstanceMaintenanceOptions", &[
        ("autoRecovery", "AutoRecovery", Text),
        ("rebootMigration", "RebootMigration", Text),
    ]),
    ("InstanceNetworkPerformanceOptions", &[
        ("bandwidthWeighting", "BandwidthWeighting", Text),
    ]),
    ("OperatorResponse", &[
        ("managed", "Managed", Boolean),
        ("principal", "Principal", Text),
        ("hiddenByDefault", "HiddenByDefault", Boolean),
    ]),
    ("InstanceSecondaryInterface", &[
        ("attachment", "Attachment", Structure("InstanceSecondaryInterfaceAttachment")),
        ("macAddress", "MacAddress", Text),
        ("secondaryInterfaceId", "SecondaryInterfaceId", Text),
        ("ownerId", "OwnerId", Text),
        ("privateIpAddressSet", "PrivateIpAddresses", List(&Structure("InstanceSecondaryInterfacePrivateIpAddress"))),
        ("sourceDestCheck", "SourceDestCheck", Boolean),
        ("status", "Status", Text),
        ("secondarySubnetId", "SecondarySubnetId", Text),
        ("secondaryNetworkId", "SecondaryNetworkId", Text),
        ("interfaceType", "InterfaceType", Text),
    ]),
    ("InstanceState", &[
        ("code", "Code", Integer),
        ("name", "Name", Text),
    ]),
    ("ProductCode", &[
        ("productCode", "ProductCodeId", Text),
        ("type", "ProductCodeType", Text),
    ]),
    ("Placement", &[
        ("availabilityZoneId", "AvailabilityZoneId", Text),
        ("affinity", "Affinity", Text),
        ("groupName", "GroupName", Text),
        ("partitionNumber", "PartitionNumber", Integer),
        ("hostId", "HostId", Text),
        ("tenancy", "Tenancy", Text),
        ("spreadDomain", "SpreadDomain", Text),
        ("hostResourceGroupArn", "HostResourceGroupArn", Text),
        ("groupId", "GroupId", Text),
        ("availabilityZone", "AvailabilityZone", Text),
    ]),
    ("Monitoring", &[
        ("metricCategoryIdSet", "MetricCategoryIds", List(&Text)),
        ("state", "State", Text),
    ]),
    ("EbsInstanceBlockDevice", &[
        ("attachTime", "AttachTime", Time),
        ("deleteOnTermination", "DeleteOnTermination", Boolean),
        ("status", "Status", Text),
        ("volumeId", "VolumeId", Text),
        ("associatedResource", "AssociatedResource", Text),
        ("volumeOwnerId", "VolumeOwnerId", Text),
        ("operator", "Operator", Structure("OperatorResponse")),
        ("ebsCardIndex", "EbsCardIndex", Integer),
    ]),
    ("InstanceNetworkInterfaceAssociation", &[
        ("carrierIp", "CarrierIp", Text),
        ("customerOwnedIp", "CustomerOwnedIp", Text),
        ("ipOwnerId", "IpOwnerId", Text),
        ("publicDnsName", "PublicDnsName", Text),
        ("publicIp", "PublicIp", Text),
    ]),
    ("InstanceNetworkInterfaceAttachment", &[
        ("attachTime", "AttachTime", Time),
        ("attachmentId", "AttachmentId", Text),
        ("deleteOnTermination", "DeleteOnTermination", Boolean),
        ("deviceIndex", "DeviceIndex", Integer),
        ("status", "Status", Text),
        ("networkCardIndex", "NetworkCardIndex", Integer),
        ("enaSrdSpecification", "EnaSrdSpecification", Structure("InstanceAttachmentEnaSrdSpecification")),
        ("enaQueueCount", "EnaQueueCount", Integer),
    ]),
    ("InstanceIpv6Address", &[
        ("ipv6Address", "Ipv6Address", Text),
        ("isPrimaryIpv6", "IsPrimaryIpv6", Boolean),
    ]),
    ("InstancePrivateIpAddress", &[
        ("association", "Association", Structure("InstanceNetworkInterfaceAssociation")),
        ("primary", "Primary", Boolean),
        ("privateDnsName", "PrivateDnsName", Text),
        ("privateIpAddress", "PrivateIpAddress", Text),
    ]),
    ("InstanceIpv4Prefix", &[
        ("ipv4Prefix", "Ipv4Prefix", Text),
    ]),
    ("InstanceIpv6Prefix", &[
        ("ipv6Prefix", "Ipv6Prefix", Text),
    ]),
    ("ConnectionTrackingSpecificationResponse", &[
        ("tcpEstablishedTimeout", "TcpEstablishedTimeout", Integer),
        ("udpStreamTimeout", "UdpStreamTimeout", Integer),
        ("udpTimeout", "UdpTimeout", Integer),
    ]),
    ("CapacityReservationTargetResponse", &[
        ("capacityReservationId", "CapacityReservationId", Text),
        ("capacityReservationResourceGroupArn", "CapacityReservationResourceGroupArn", Text),
    ]),
    ("InstanceSecondaryInterfaceAttachment", &[
        ("attachTime", "AttachTime", Time),
        ("attachmentId", "AttachmentId", Text),
        ("deleteOnTermination", "DeleteOnTermination", Boolean),
        ("deviceIndex", "DeviceIndex", Integer),
        ("status", "Status", Text),
        ("networkCardIndex", "NetworkCardIndex", Integer),
    ]),
    ("InstanceSecondaryInterfacePrivateIpAddress", &[
        ("privateIpAddress", "PrivateIpAddress", Text),
    ]),
    ("InstanceAttachmentEnaSrdSpecification", &[
        ("enaSrdEnabled", "EnaSrdEnabled", Boolean),
        ("enaSrdUdpSpecification", "EnaSrdUdpSpecification", Structure("InstanceAttachmentEnaSrdUdpSpecification")),
    ]),
    ("InstanceAttachmentEnaSrdUdpSpecification", &[
        ("enaSrdUdpEnabled", "EnaSrdUdpEnabled", Boolean),
    ]),];
